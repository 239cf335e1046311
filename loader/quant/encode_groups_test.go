package quant

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

// TestSides: the form that the processor has gives the bits of the loops.
func TestSides(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	number := func() float32 { return float32(random.NormFloat64()) }
	for round := range 400 {
		n := 16 * (1 + random.IntN(2))
		x, w := make([]float32, 8*n), make([]float32, 8*n)
		size := float32(math.Pow(10, random.Float64()*40-20))
		for i := range x {
			x[i], w[i] = size*number(), float32(random.Float64())
			if random.IntN(20) == 0 {
				x[i], w[i] = -x[i]*0, 0
			}
			if group := i / n; round%4 == 0 && group < 3 {
				x[i] = []float32{0, size, -size}[group]
			}
		}
		if round%3 == 0 {
			w = nil
		}
		var s, plain side
		s.fill(x, w)
		plain.n = n
		plain.turnPlain(&plain.x, x)
		if s.x != plain.x {
			t.Fatalf("round %d: %v turned is %v", round, x, s.x)
		}
		plain = s
		type answer struct {
			step, low, scale lanes
			sum              sums
		}
		equal := func(what string, got, want answer) {
			t.Helper()
			if got != want {
				t.Fatalf("round %d, %d elements, %s: %v, want %v", round, n, what, got, want)
			}
		}
		var a, b answer
		c := curve(random.IntN(2))
		s.fit(&a.step, firstsQ4, c, -8, 7)
		plain.fitPlain(&b.step, firstsQ4, c, -8, 7)
		equal("fit", a, b)
		below := random.IntN(2) == 0
		s.fitRange(&a.step, &a.low, cuts3, 3, below)
		plain.fitRangePlain(&b.step, &b.low, cuts3, 3, below)
		equal("fit of a range", a, b)
		g := grid{d: size * number(), dmin: size * number(), to: 15, c: c, hi: 31}
		if random.IntN(2) == 0 {
			g = grid{d: size * number(), from: -32, to: 31, c: c, lo: -4, hi: 3}
		}
		for l := range 8 {
			a.scale[l], a.low[l] = float32(random.IntN(20)), float32(random.IntN(16))
		}
		b.scale, b.low = a.scale, a.low
		s.look(&g, nearRange, &a.scale, &a.low)
		plain.lookPlain(&g, nearRange, &b.scale, &b.low)
		equal("look", a, b)
		s.sum(&g, &a.scale, &a.low, &a.sum)
		plain.sumPlain(&g, &b.scale, &b.low, &b.sum)
		equal("sum", a, b)
	}
}

// TestLevels: as TestSides.
func TestLevels(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		n := 16 * (1 + random.IntN(4))
		x := make([]float32, n)
		for i := range x {
			if x[i] = float32(random.NormFloat64()); random.IntN(10) == 0 {
				x[i] = -x[i] * 0
			}
		}
		off, by := float32(random.NormFloat64()), float32(random.NormFloat64()*40)
		a, b := make([]byte, n), make([]byte, n)
		levels(a, x, off, by, -127, 119, 8)
		levelsPlain(b, x, off, by, -127, 119, 8)
		lo, hi := bounds(x)
		low, high := boundsPlain(x)
		if !bytes.Equal(a, b) || math.Float32bits(lo) != math.Float32bits(low) || math.Float32bits(hi) != math.Float32bits(high) {
			t.Fatalf("%d elements: %v from %g to %g, want %v from %g to %g", n, a, lo, hi, b, low, high)
		}
		levelsFP4(a, x, by/10)
		levelsFP4Plain(b, x, by/10)
		if !bytes.Equal(a, b) {
			t.Fatalf("%v · %g: %v, want %v", x, by/10, a, b)
		}
	}
}

