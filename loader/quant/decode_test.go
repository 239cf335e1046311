package quant_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"eclat/loader/quant"
)

var decodable = []quant.Type{
	quant.F32, quant.F16, quant.BF16, quant.Q8_0, quant.Q4_0, quant.Q4_K, quant.Q5_K, quant.Q6_K, quant.IQ4_NL,
	quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q2_K, quant.Q3_K, quant.IQ4_XS, quant.MXFP4, quant.NVFP4, quant.Q1_0, quant.Q2_0,
	quant.TQ1_0, quant.TQ2_0, quant.IQ2_XXS, quant.IQ2_XS, quant.IQ2_S, quant.IQ3_XXS, quant.IQ3_S, quant.IQ1_S, quant.IQ1_M,
}

// TestDecode compares every decoder with the ggml library, bit for bit.
// testdata/oracle/blocks.py makes the files.
func TestDecode(t *testing.T) {
	for _, ty := range decodable {
		t.Run(ty.String(), func(t *testing.T) {
			file, err := os.ReadFile(filepath.Join("..", "..", "testdata", "decode", ty.String()+".bin"))
			if err != nil {
				t.Fatal(err)
			}
			elems, bytes := ty.Block()
			n := len(file) / (bytes + 4*elems)
			if n == 0 || n*(bytes+4*elems) != len(file) {
				t.Fatalf("%d bytes are not a whole number of blocks with their answers", len(file))
			}
			blocks, want := file[:n*bytes], file[n*bytes:]
			got := make([]float32, n*elems)
			quant.Decode(ty, got, blocks)
			wrong := 0
			for i, g := range got {
				w := math.Float32frombits(binary.LittleEndian.Uint32(want[4*i:]))
				if same(g, w) {
					continue
				}
				if wrong++; wrong <= 5 {
					t.Errorf("block %d element %d: %g (%#08x), ggml has %g (%#08x)", i/elems, i%elems, g, math.Float32bits(g), w, math.Float32bits(w))
				}
			}
			if wrong > 5 {
				t.Errorf("%d of %d elements are wrong", wrong, len(got))
			}
		})
	}
}

// same reports equal bits; zeros of either sign are the same, and so are all NaNs.
func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a == 0 && b == 0 || a != a && b != b
}

// TestDecodeMisuse: lengths that disagree are a programmer's mistake.
func TestDecodeMisuse(t *testing.T) {
	for _, c := range []struct {
		name       string
		ty         quant.Type
		elems, src int
	}{
		{"no decoder", quant.Q8_1, 32, 36},
		{"unknown type", quant.Type(200), 1, 1},
		{"part of a block", quant.Q8_0, 31, 34},
		{"source short", quant.Q8_0, 64, 67},
		{"source long", quant.Q8_0, 64, 69},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("Decode did not panic")
				}
			}()
			quant.Decode(c.ty, make([]float32, c.elems), make([]byte, c.src))
		})
	}
}
