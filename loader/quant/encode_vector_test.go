//go:build goexperiment.simd && amd64

package quant

import "testing"

// TestTriesForms: every form that the processor has gives the bits of the loops.
func TestTriesForms(t *testing.T) {
	defer func(a, b bool) { vectors, wide = a, b }(vectors, wide)
	for _, has := range []bool{wide, vectors} {
		if !has {
			t.Log("a form that this processor does not have is not tested")
		}
	}
	t.Run("16 lanes", TestTries)
	wide = false
	t.Run("8 lanes", TestTries)
	vectors = false
	t.Run("none", TestTries)
}
