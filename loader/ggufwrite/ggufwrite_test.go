package ggufwrite_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// TestLayout compares a file with its bytes written out by hand, so that reader
// and writer cannot share a mistake.
func TestLayout(t *testing.T) {
	f := ggufwrite.File{Alignment: 16}
	f.Set("b", true)
	f.Set("a", [][]uint16{{7, 8}})
	f.Tensors = []ggufwrite.Tensor{
		{Name: "x", Type: quant.I8, Dims: []int{3, 1}, Data: []byte{1, 2, 3}},
		{Name: "y", Type: quant.F32, Dims: []int{1}, Data: []byte{4, 5, 6, 7}},
	}
	u32, u64 := binary.LittleEndian.AppendUint32, binary.LittleEndian.AppendUint64
	str := func(b []byte, s string) []byte { return append(u64(b, uint64(len(s))), s...) }

	w := u64(u64(u32([]byte("GGUF"), 3), 2), 3)       // version, tensors, keys
	w = u32(u32(str(w, "general.alignment"), 4), 16)  // uint32
	w = append(u32(str(w, "b"), 7), 1)                // bool
	w = u64(u32(u32(str(w, "a"), 9), 9), 1)           // array of 1 array
	w = append(u64(u32(w, 2), 2), 7, 0, 8, 0)         // of 2 uint16
	w = u64(u64(u32(str(w, "x"), 2), 3), 1)           // 2 dimensions
	w = u64(u32(w, 24), 0)                            // type, offset
	w = u64(u32(u64(u32(str(w, "y"), 1), 1), 0), 16)  // the next multiple of 16
	w = append(w, make([]byte, (16-len(w)%16)%16)...) // padding
	w = append(append(w, 1, 2, 3), make([]byte, 13)...)
	w = append(append(w, 4, 5, 6, 7), make([]byte, 12)...)
	if got := f.Bytes(); !bytes.Equal(got, w) {
		t.Errorf("got\n%q\nwant\n%q", got, w)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := f.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, w) {
		t.Errorf("WriteFile wrote %d bytes that differ from Bytes (%v)", len(got), err)
	}
}

func TestSet(t *testing.T) {
	var f ggufwrite.File
	f.Set("a", uint8(1))
	f.Set("b", uint8(2))
	f.Set("a", "new")
	if len(f.Meta) != 2 || f.Meta[0] != (ggufwrite.KV{Key: "a", Value: "new"}) {
		t.Errorf("%v", f.Meta)
	}
}

// TestRepeat: a piece of data stands for a tensor that it fits a whole number of times.
func TestRepeat(t *testing.T) {
	f := ggufwrite.File{Tensors: []ggufwrite.Tensor{{Name: "x", Type: quant.I16, Dims: []int{3}, Data: []byte{1, 2}}}}
	m, err := loader.FromBytes("repeat", f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Tensor("x").Data; !bytes.Equal(got, []byte{1, 2, 1, 2, 1, 2}) {
		t.Errorf("% x", got)
	}
}

func TestMistakes(t *testing.T) {
	tensor := func(dims []int, data int) func() {
		f := ggufwrite.File{Tensors: []ggufwrite.Tensor{{Name: "x", Type: quant.Q8_0, Dims: dims, Data: make([]byte, data)}}}
		return func() { f.Bytes() }
	}
	value := func(v any) func() { return func() { new(ggufwrite.Raw).KV("k", v) } }
	for name, mistake := range map[string]func(){
		"no data":             tensor([]int{32}, 0),
		"data too long":       tensor([]int{32}, 68),
		"data too short":      tensor([]int{32}, 33),
		"part of a block":     tensor([]int{31}, 34),
		"int":                 value(3),
		"slice of int":        value([]int{3}),
		"map":                 value(map[string]string{}),
		"encode no encoder":   func() { ggufwrite.Encode(quant.Q2_K, make([]float32, 256)) },
		"encode unknown type": func() { ggufwrite.Encode(quant.Type(4), make([]float32, 256)) },
		"encode part":         func() { ggufwrite.Encode(quant.Q4_K, make([]float32, 255)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			mistake()
		})
	}
}

// full is a writer that takes left bytes and then fails.
type full struct{ left int }

var errFull = errors.New("full")

func (w *full) Write(b []byte) (int, error) {
	n := min(w.left, len(b))
	w.left -= n
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

// TestWriteErrors fails the writer after every number of bytes.
func TestWriteErrors(t *testing.T) {
	var f ggufwrite.File
	f.Set("k", "v")
	f.Add("x", quant.F32, []int{9}, make([]float32, 9))
	whole := len(f.Bytes())
	for n := range whole {
		if got, err := f.WriteTo(&full{n}); got != int64(n) || err != errFull {
			t.Errorf("with room for %d of %d bytes: %d written, %v", n, whole, got, err)
		}
	}
	if got, err := f.WriteTo(&full{whole}); got != int64(whole) || err != nil {
		t.Errorf("with room for all: %d written, %v", got, err)
	}
}

// TestSplit: the parts hold all tensors in order, and only the first the metadata.
func TestSplit(t *testing.T) {
	var f ggufwrite.File
	f.Set("general.name", "m")
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		f.Add(name, quant.F32, []int{1}, []float32{1})
	}
	var names string
	for i, p := range f.Split(3) {
		for _, x := range p.Tensors {
			names += x.Name
		}
		want := []ggufwrite.KV{{Key: "split.no", Value: uint16(i)}, {Key: "split.count", Value: uint16(3)}, {Key: "split.tensors.count", Value: int32(5)}}
		if i == 0 {
			want = append([]ggufwrite.KV{{Key: "general.name", Value: "m"}}, want...)
		}
		if len(p.Meta) != len(want) {
			t.Fatalf("part %d: %v, want %v", i, p.Meta, want)
		}
		for j := range want {
			if p.Meta[j] != want[j] {
				t.Errorf("part %d: %v, want %v", i, p.Meta[j], want[j])
			}
		}
	}
	if names != "abcde" {
		t.Errorf("the parts hold %s", names)
	}
	if got := ggufwrite.PartName("dir/m", 0, 12); got != "dir/m-00001-of-00012.gguf" {
		t.Error(got)
	}
}
