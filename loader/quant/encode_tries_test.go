package quant

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

// TestTries: the form that the processor has gives the bits of the loops.
func TestTries(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 8 * (1 + random.IntN(4))
		x, w := make([]float32, n), make([]float32, n)
		for i := range x {
			x[i], w[i] = float32(random.NormFloat64()), float32(random.Float64())
			if random.IntN(20) == 0 {
				x[i], w[i] = -x[i]*0, 0
			}
		}
		var off, by, step each
		for i := range by {
			off[i], by[i], step[i] = float32(random.NormFloat64()), float32(random.NormFloat64()*4), float32(random.NormFloat64())
		}
		var got, want levelSums
		got.add(x, w, off[0], &by, -8, 7)
		want.plain(x, w, off[0], &by, -8, 7)
		var loss, plain each
		levelLoss(&loss, x, w, &off, &by, &step, 0, 31)
		levelLossPlain(&plain, x, w, &off, &by, &step, 0, 31)
		if got != want || loss != plain {
			t.Fatalf("%d elements: %v, %v, want %v, %v", n, got, loss, want, plain)
		}
		a, b := make([]byte, n), make([]byte, n)
		levels(a, x, off[1], by[1], -127, 119, 8)
		levelsPlain(b, x, off[1], by[1], -127, 119, 8)
		lo, hi := bounds(x)
		low, high := boundsPlain(x)
		if !bytes.Equal(a, b) || math.Float32bits(lo) != math.Float32bits(low) || math.Float32bits(hi) != math.Float32bits(high) {
			t.Fatalf("%d elements: %v from %g to %g, want %v from %g to %g", n, a, lo, hi, b, low, high)
		}
	}
}
