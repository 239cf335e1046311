//go:build goexperiment.simd && amd64

package quant

import (
	"bytes"
	"testing"
)

// TestForms: the vectors give the bytes of the loops.
func TestForms(t *testing.T) {
	if !vectors {
		t.Skip("the processor has no AVX2")
	}
	defer func() { vectors = true }()
	x := encodeInput(1<<13 + 256)
	for i := range 256 {
		x[512+i] = float32(i%7-3) / 64
	}
	w := make([]float32, len(x))
	for i := range w {
		if i/256%5 != 0 {
			w[i] = float32(1 + i*i%17)
		}
	}
	for _, ty := range Encodable() {
		for _, n := range []int{256, 1 << 13, len(x)} {
			for _, w := range [][]float32{nil, w[:n]} {
				block, size := ty.Block()
				a, b := make([]byte, n/block*size), make([]byte, n/block*size)
				vectors = true
				Encode(ty, a, x[:n], w)
				vectors = false
				Encode(ty, b, x[:n], w)
				if !bytes.Equal(a, b) {
					t.Errorf("%s, %d elements, weights %v: other bytes", ty, n, w != nil)
				}
			}
		}
	}
}
