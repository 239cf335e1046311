package numerics

import (
	"math"
	"math/rand/v2"
	"testing"

	"eclat/loader/quant"
)

// TestKeeping holds blocks against the words of the definition: the least half that will
// do, found by looking at all of them, and the nearest integers of the quotient.
func TestKeeping(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, k := range []*Keeping{&Keep8, &Keep4} {
		for round := range 3000 {
			x := make([]float32, BlockLen)
			size := math.Exp2(float64(r.IntN(60) - 40))
			for i := range x {
				x[i] = float32(r.NormFloat64() * size)
			}
			switch round % 5 {
			case 0: // a is a number of steps of a half, or a hair more or less
				h := k.Steps * quant.HalfToFloat(uint16(r.IntN(0x7c00)))
				x[0] = math.Float32frombits(uint32(int32(math.Float32bits(h)) + int32(r.IntN(3)-1)))
				for i := range x[1:] {
					x[1+i] = min(max(x[1+i], -h/2), h/2)
				}
			case 1:
				x[r.IntN(BlockLen)] = -3 * float32(size)
			}
			var largest float64
			for _, v := range x {
				largest = max(largest, math.Abs(float64(v)))
			}
			want := uint16(0)
			for want < 0x7bff && float64(k.Steps)*float64(quant.HalfToFloat(want)) < largest {
				want++
			}
			var q [BlockLen]int8
			d := k.Block(&q, x)
			if d&0x7fff != want {
				t.Fatalf("%v steps for %v: half %#x, want %#x", k.Steps, x, d, want)
			}
			h := float64(quant.HalfToFloat(d))
			for i, v := range x {
				at := float64(v) / h
				if h == 0 {
					at = 0
				}
				got := float64(Kept(q[i], d))
				if float32(q[i]) < k.Low || float32(q[i]) > k.High || at >= float64(k.Low) && at <= float64(k.High) && math.Abs(at-float64(q[i])) > 0.50002 {
					t.Fatalf("%v steps: %g in steps of %g is %d", k.Steps, v, h, q[i])
				}
				if off := math.Abs(got - float64(v)); want < 0x7bff && off > 1.00001*math.Abs(h)*max(0.5, float64(8-k.High)) {
					t.Fatalf("%v steps of %g: %g is kept as %g", k.Steps, h, v, got)
				}
			}
		}
	}
}

// TestKeepingEnds: zeros, numbers beyond what a half can scale, and what is no number.
func TestKeepingEnds(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		k    *Keeping
		x    float32 // among ones
		d    uint16
		q, o int8 // of x, of the ones
	}{
		{&Keep8, 127, 0x3c00, 127, 1}, {&Keep8, -127, 0x3c00, -127, 1}, {&Keep8, 1e30, 0x7bff, 127, 0}, {&Keep8, -1e30, 0x7bff, -127, 0},
		{&Keep4, 8, 0xbc00, -8, -1}, {&Keep4, -8, 0x3c00, -8, 1}, {&Keep4, 1e30, 0xfbff, -8, 0}, {&Keep4, -1e30, 0x7bff, -8, 0},
		{&Keep8, inf, 0x7e00, 0, 0}, {&Keep4, -inf, 0x7e00, 0, 0}, {&Keep8, inf - inf, 0x7e00, 0, 0}, {&Keep4, inf - inf, 0x7e00, 0, 0},
		{&Keep8, 2.5, 0x250b, 127, 51}, // 2.5/127 = 0.01968504 is nearer to the half below, 0.01968384
	} {
		x := make([]float32, BlockLen)
		for i := range x {
			x[i] = 1
		}
		x[7] = c.x
		var q [BlockLen]int8
		if d := c.k.Block(&q, x); d != c.d || q[7] != c.q || q[8] != c.o {
			t.Errorf("%v steps, %g among ones: %#x, %d, %d; want %#x, %d, %d", c.k.Steps, c.x, d, q[7], q[8], c.d, c.q, c.o)
		}
		if d := c.k.Block(&q, make([]float32, BlockLen)); d != 0 || q != [BlockLen]int8{} {
			t.Errorf("zeros are kept as %v in steps of %#x", q, d)
		}
	}
}
