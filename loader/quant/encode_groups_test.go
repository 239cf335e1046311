package quant

import (
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
		s.extent(&a.step, &a.low)
		plain.extentPlain(&b.step, &b.low)
		equal("extent", a, b)
		var q, r [256]byte
		by := same(40 / size)
		s.levels(&q, &a.low, &by, -127, 119, 8)
		plain.levelsPlain(r[:], &a.low, &by, -127, 119, 8)
		if q != r {
			t.Fatalf("round %d: levels %v, want %v", round, q, r)
		}
		by = same(4 / size)
		s.levelsFP4(&q, &by)
		plain.levelsFP4Plain(r[:], &by)
		if q != r {
			t.Fatalf("round %d: levels of FP4 %v, want %v", round, q, r)
		}
	}
}
