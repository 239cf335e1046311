package quant_test

import (
	"math"
	"strings"
	"testing"

	"eclat/loader/quant"
)

// ggmlTypes is what the ggml library answers (ggml_type_name, ggml_blck_size in
// elements, ggml_type_size in bytes) for every type it has; the numbers missing
// here are types it has removed.
var ggmlTypes = []struct {
	ty           quant.Type
	name         string
	elems, bytes int
}{
	{0, "f32", 1, 4}, {1, "f16", 1, 2}, {2, "q4_0", 32, 18}, {3, "q4_1", 32, 20},
	{6, "q5_0", 32, 22}, {7, "q5_1", 32, 24}, {8, "q8_0", 32, 34}, {9, "q8_1", 32, 36},
	{10, "q2_K", 256, 84}, {11, "q3_K", 256, 110}, {12, "q4_K", 256, 144}, {13, "q5_K", 256, 176},
	{14, "q6_K", 256, 210}, {15, "q8_K", 256, 292}, {16, "iq2_xxs", 256, 66}, {17, "iq2_xs", 256, 74},
	{18, "iq3_xxs", 256, 98}, {19, "iq1_s", 256, 50}, {20, "iq4_nl", 32, 18}, {21, "iq3_s", 256, 110},
	{22, "iq2_s", 256, 82}, {23, "iq4_xs", 256, 136}, {24, "i8", 1, 1}, {25, "i16", 1, 2},
	{26, "i32", 1, 4}, {27, "i64", 1, 8}, {28, "f64", 1, 8}, {29, "iq1_m", 256, 56},
	{30, "bf16", 1, 2}, {34, "tq1_0", 256, 54}, {35, "tq2_0", 256, 66}, {39, "mxfp4", 32, 17},
	{40, "nvfp4", 64, 36}, {41, "q1_0", 128, 18}, {42, "q2_0", 64, 18},
}

func TestTypes(t *testing.T) {
	known := map[quant.Type]bool{}
	for _, w := range ggmlTypes {
		known[w.ty] = true
		elems, bytes := w.ty.Block()
		if !strings.EqualFold(w.ty.String(), w.name) || elems != w.elems || bytes != w.bytes {
			t.Errorf("type %d is %s, %d elements in %d bytes; ggml has %s, %d in %d", uint32(w.ty), w.ty, elems, bytes, w.name, w.elems, w.bytes)
		}
	}
	for ty := range quant.Type(300) {
		if ty.Known() != known[ty] {
			t.Errorf("type %d: Known() = %v", uint32(ty), ty.Known())
		}
	}
	for _, ty := range decodable {
		if !ty.CanDecode() || !strings.Contains(quant.DecodableTypes(), ty.String()) {
			t.Errorf("%s is not listed as decodable", ty)
		}
	}
	if quant.Q8_1.CanDecode() {
		t.Error("Q8_1 claims to be decodable")
	}
}

func TestRowBytes(t *testing.T) {
	for _, c := range []struct {
		ty   quant.Type
		n    uint64 // elements
		want uint64 // bytes
		ok   bool
	}{
		{quant.Q4_K, 5120, 2880, true}, // a Magistral row
		{quant.Q4_K, 0, 0, true},
		{quant.Q4_K, 255, 0, false},
		{quant.F32, 1, 4, true},
		{quant.F32, math.MaxInt64 / 4, math.MaxInt64 &^ 3, true},
		{quant.F32, math.MaxInt64/4 + 1, 0, false},
		{quant.I8, math.MaxInt64, math.MaxInt64, true},
		{quant.I8, math.MaxInt64 + 1, 0, false},
		{quant.Type(4), 32, 0, false},
	} {
		if got, ok := c.ty.RowBytes(c.n); got != c.want || ok != c.ok {
			t.Errorf("%s.RowBytes(%d) = %d, %v; want %d, %v", c.ty, c.n, got, ok, c.want, c.ok)
		}
	}
}
