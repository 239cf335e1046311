package gguf_test

import (
	"errors"
	"testing"

	"eclat/loader/gguf"
	"eclat/loader/ggufwrite"
	"eclat/loader/loadertest"
	"eclat/loader/quant"
)

// FuzzParse: whatever the bytes, reading them ends in a FormatError or in a header
// all of whose tensors and values can be read. Beside the seeds here,
// testdata/fuzz has whole files and what a run found to reach new code.
func FuzzParse(f *testing.F) {
	const maxSeed = 64 << 10 // large seeds slow the fuzzer and teach it nothing
	for _, h := range corpus() {
		if data, _ := h.bytes(); len(data) <= maxSeed {
			f.Add(data)
		}
	}
	small := &ggufwrite.File{}
	for _, ty := range quant.Decodable() {
		size, _ := ty.RowBytes(512)
		small.Tensors = append(small.Tensors, ggufwrite.Tensor{Name: ty.String(), Type: ty, Dims: []int{256, 2}, Data: make([]byte, size)})
	}
	small.Set("tokens", []string{"a", "", "ccc"})
	small.Set("nested", [][]int32{{-1, 2}, {}})
	small.Set("flags", []bool{true, false})
	f.Add(small.Bytes())
	f.Add((&ggufwrite.File{Version: 2, Alignment: 1, Tensors: []ggufwrite.Tensor{
		{Name: "x", Type: quant.Q4_0, Dims: []int{32, 2}, Data: make([]byte, 36)},
		{Name: "y", Type: quant.Q8_1, Dims: []int{32}, Data: make([]byte, 36)},
	}}).Bytes())

	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := gguf.Parse("fuzz", data, int64(len(data)))
		if err != nil {
			var fe *gguf.FormatError
			if !errors.As(err, &fe) {
				t.Fatalf("a %T instead of a FormatError: %v", err, err)
			}
			if fe.Offset < -1 || fe.Offset > int64(len(data)) {
				t.Errorf("%v: the offset is not in the file of %d bytes", err, len(data))
			}
			loadertest.Message(t, err.Error(), "fuzz", fe.Field)
			return
		}
		var total int64
		for _, x := range h.Tensors {
			if int64(x.RowBytes)*int64(x.Rows()) != x.Size {
				t.Errorf("%s: %d rows of %d bytes, size %d", x.Name, x.Rows(), x.RowBytes, x.Size)
			}
			bytes := data[x.Offset:][:x.Size]
			if total += x.Size; x.Type.CanDecode() {
				quant.Decode(x.Type, make([]float32, x.Elems()), bytes)
			}
		}
		if total > int64(len(data)) { // they do not overlap
			t.Errorf("tensors of %d bytes in a file of %d", total, len(data))
		}
		for _, key := range h.Keys {
			v, ok := h.Meta[key]
			if !ok {
				t.Errorf("key %q is listed and not found", key)
			}
			if a := answersOf(v); a.any == nil {
				t.Errorf("key %q of type %s has no value", key, v.Type)
			}
		}
	})
}
