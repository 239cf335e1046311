package compare

import (
	"math"
	"testing"
)

// TestBytes compares the size of a run with what its rows add up to.
func TestBytes(t *testing.T) {
	for _, tokens := range []int{1, 2, 7, 24} {
		for _, cols := range []int{1, 3, 9, 100} {
			for _, every := range []int{1, 2, 3, 5, 9, 23, 24, 101} {
				h := Header{Tokens: make([]int32, tokens), Tensors: []Tensor{{Cols: cols, Every: every}, {Cols: 2, Every: 1}}}
				want := int64(0)
				for pos := range tokens {
					for i := range h.Tensors {
						want += 4 * int64(h.Tensors[i].kept(pos))
					}
				}
				if got, ok := h.bytes(); !ok || got != want {
					t.Errorf("%d tokens of %d, every %d: %d bytes, want %d", tokens, cols, every, got, want)
				}
			}
		}
	}
	h := Header{Tokens: make([]int32, 8), Tensors: []Tensor{{Cols: math.MaxInt / 4, Every: 1}}}
	if n, ok := h.bytes(); ok {
		t.Errorf("too wide a tensor has %d bytes", n)
	}
}
