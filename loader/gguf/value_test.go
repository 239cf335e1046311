package gguf_test

import (
	"math"
	"reflect"
	"testing"

	"eclat/loader/gguf"
	"eclat/loader/ggufwrite"
)

// answers is what each accessor of a Value should give; nil stands for ok == false.
type answers struct {
	uint, float, boolean, str, strings, uints, floats, any any
}

func answersOf(v gguf.Value) answers {
	var a answers
	set := func(dst *any, x any, ok bool) {
		if ok {
			*dst = x
		}
	}
	u, ok := v.Uint()
	set(&a.uint, u, ok)
	f, ok := v.Float()
	set(&a.float, f, ok)
	b, ok := v.Bool()
	set(&a.boolean, b, ok)
	s, ok := v.Str()
	set(&a.str, s, ok)
	ss, ok := v.Strings()
	set(&a.strings, ss, ok)
	us, ok := v.Uints()
	set(&a.uints, us, ok)
	fs, ok := v.Floats()
	set(&a.floats, fs, ok)
	a.any = v.Any(3)
	return a
}

// TestValues writes every metadata type and reads it back through every accessor.
func TestValues(t *testing.T) {
	u := func(x uint64) answers { return answers{uint: x, any: x} }
	neg := func(x int64) answers { return answers{any: x} }
	fl := func(x float64) answers { return answers{float: x, any: x} }
	cases := []struct {
		name string
		in   any
		ty   gguf.ValueType
		want answers
	}{
		{"uint8", uint8(255), gguf.Uint8, u(255)},
		{"int8", int8(127), gguf.Int8, u(127)},
		{"int8 negative", int8(-128), gguf.Int8, neg(-128)},
		{"uint16", uint16(65535), gguf.Uint16, u(65535)},
		{"int16", int16(32767), gguf.Int16, u(32767)},
		{"int16 negative", int16(-32768), gguf.Int16, neg(-32768)},
		{"uint32", uint32(math.MaxUint32), gguf.Uint32, u(math.MaxUint32)},
		{"int32", int32(math.MaxInt32), gguf.Int32, u(math.MaxInt32)},
		{"int32 negative", int32(-1), gguf.Int32, neg(-1)},
		{"uint64", uint64(math.MaxUint64), gguf.Uint64, u(math.MaxUint64)},
		{"int64", int64(math.MaxInt64), gguf.Int64, u(math.MaxInt64)},
		{"int64 negative", int64(math.MinInt64), gguf.Int64, neg(math.MinInt64)},
		{"float32", float32(-1.5), gguf.Float32, fl(-1.5)},
		{"float64", math.Pi, gguf.Float64, fl(math.Pi)},
		{"float64 infinite", math.Inf(1), gguf.Float64, fl(math.Inf(1))},
		{"bool true", true, gguf.Bool, answers{boolean: true, any: true}},
		{"bool false", false, gguf.Bool, answers{boolean: false, any: false}},
		{"string", "é\n\x00", gguf.String, answers{str: "é\n\x00", any: "é\n\x00"}},
		{"string empty", "", gguf.String, answers{str: "", any: ""}},
		{"string not UTF-8", "\xff\xfe", gguf.String, answers{str: "\xff\xfe", any: "\xff\xfe"}},
		{"strings", []string{"a", "", "ccc", "d"}, gguf.Array,
			answers{strings: []string{"a", "", "ccc", "d"}, any: []any{"a", "", "ccc"}}},
		{"strings none", []string{}, gguf.Array, answers{strings: []string{}, any: []any{}}},
		{"uint8s", []uint8{1, 255}, gguf.Array, answers{uints: []uint64{1, 255}, any: []any{uint64(1), uint64(255)}}},
		{"int8s negative", []int8{1, -1}, gguf.Array, answers{any: []any{uint64(1), int64(-1)}}},
		{"uint16s", []uint16{7}, gguf.Array, answers{uints: []uint64{7}, any: []any{uint64(7)}}},
		{"int16s", []int16{7, 8}, gguf.Array, answers{uints: []uint64{7, 8}, any: []any{uint64(7), uint64(8)}}},
		{"uint32s", []uint32{7, 1 << 31}, gguf.Array, answers{uints: []uint64{7, 1 << 31}, any: []any{uint64(7), uint64(1 << 31)}}},
		{"int32s", []int32{0, 1, 2, 3}, gguf.Array, answers{uints: []uint64{0, 1, 2, 3}, any: []any{uint64(0), uint64(1), uint64(2)}}},
		{"uint64s", []uint64{1 << 63}, gguf.Array, answers{uints: []uint64{1 << 63}, any: []any{uint64(1 << 63)}}},
		{"int64s", []int64{5}, gguf.Array, answers{uints: []uint64{5}, any: []any{uint64(5)}}},
		{"float32s", []float32{0.5, -2}, gguf.Array, answers{floats: []float64{0.5, -2}, any: []any{0.5, -2.0}}},
		{"float64s", []float64{0.1}, gguf.Array, answers{floats: []float64{0.1}, any: []any{0.1}}},
		{"bools", []bool{true, false}, gguf.Array, answers{any: []any{true, false}}},
		{"arrays", [][]uint32{{1, 2}, {}, {3}}, gguf.Array,
			answers{any: []any{[]any{uint64(1), uint64(2)}, []any{}, []any{uint64(3)}}}},
		{"arrays four deep", [][][][]string{{{{"x"}}}}, gguf.Array, answers{any: []any{[]any{[]any{[]any{"x"}}}}}},
	}
	w := &ggufwrite.File{}
	for _, c := range cases {
		w.Set(c.name, c.in)
	}
	data := w.Bytes()
	h, err := gguf.Parse("values", data, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Keys) != len(cases) {
		t.Fatalf("%d keys were written, %d read", len(cases), len(h.Keys))
	}
	for i, c := range cases {
		if h.Keys[i] != c.name {
			t.Errorf("key %d is %q, not %q", i, h.Keys[i], c.name)
		}
		v, ok := h.Meta[c.name]
		if !ok {
			t.Errorf("%s: not found", c.name)
			continue
		}
		if v.Type != c.ty {
			t.Errorf("%s: type %s, want %s", c.name, v.Type, c.ty)
		}
		if in := reflect.ValueOf(c.in); in.Kind() == reflect.Slice && v.Len != in.Len() {
			t.Errorf("%s: %d elements, want %d", c.name, v.Len, in.Len())
		}
		if got := answersOf(v); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %#v\nwant %#v", c.name, got, c.want)
		}
	}
	if _, ok := h.Meta["absent"]; ok {
		t.Error("a key that is not in the file was found")
	}
}

func TestValueTypeString(t *testing.T) {
	for ty, want := range map[gguf.ValueType]string{
		gguf.Uint8: "uint8", gguf.String: "string", gguf.Float64: "float64",
		13: "value type 13", math.MaxUint32: "value type 4294967295",
	} {
		if got := ty.String(); got != want {
			t.Errorf("value type %d prints as %q, want %q", uint32(ty), got, want)
		}
	}
}
