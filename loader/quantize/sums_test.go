package quantize

import (
	"math"
	"testing"
)

// numbers are n numbers that squares tell apart.
func numbers(n int, by float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = by * float32(1+i*7919%13)
	}
	return x
}

// TestSums: sums of whole numbers are exact in any order, so that none is left out or
// taken twice; what is no number is met wherever it is.
func TestSums(t *testing.T) {
	for n := range 20 {
		x, y := numbers(n, 1), numbers(n, -3)
		var all, lost float64
		for i := range x {
			all += float64(x[i]) * float64(x[i])
			lost += (float64(x[i]) - float64(y[i])) * (float64(x[i]) - float64(y[i]))
		}
		if got := squares(x); got != all {
			t.Errorf("squares of %d: %g, want %g", n, got, all)
		}
		if got := apart(x, y); got != lost {
			t.Errorf("%d apart: %g, want %g", n, got, lost)
		}
		for i := range x {
			was := x[i]
			x[i] = float32(math.NaN())
			if !math.IsNaN(squares(x)) || !math.IsNaN(apart(x, y)) || !math.IsNaN(apart(y, x)) {
				t.Errorf("element %d of %d is no number, and the sums are", i, n)
			}
			x[i] = was
		}
	}
}

// BenchmarkSums prints MB/s of float32 that are read.
func BenchmarkSums(b *testing.B) {
	x, y := numbers(piece, 1e-3), numbers(piece, 1.1e-3)
	b.SetBytes(4 * piece)
	for b.Loop() {
		squares(x)
		apart(x, y)
	}
}
