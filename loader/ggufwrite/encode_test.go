package ggufwrite_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// TestEncode decodes what was encoded. limit is the largest error allowed, from
// the block's smallest and largest value (zero counted in): half a step, where a
// step is as wide as the format makes it for these, and the rounding of scales.
func TestEncode(t *testing.T) {
	absMax := func(lo, hi float64) float64 { return max(-lo, hi) }
	for _, c := range []struct {
		ty    quant.Type
		limit func(lo, hi float64) float64
	}{
		{quant.F32, func(lo, hi float64) float64 { return 0 }},
		{quant.F16, func(lo, hi float64) float64 { return absMax(lo, hi)/(1<<11) + 0x1p-25 }},
		{quant.BF16, func(lo, hi float64) float64 { return absMax(lo, hi) / (1 << 8) }},
		{quant.Q8_0, func(lo, hi float64) float64 { return absMax(lo, hi) / 127 * 0.501 }},
		// The value opposite to the largest may lose a whole step.
		{quant.Q4_0, func(lo, hi float64) float64 { return absMax(lo, hi) / 8 * 1.01 }},
		// Minimum and scale are rounded up by as much as 1/63 of the largest.
		{quant.Q4_K, func(lo, hi float64) float64 { return (hi - lo) / 15 * (0.5 + 2.0/63) }},
		{quant.Q5_K, func(lo, hi float64) float64 { return (hi - lo) / 31 * (0.5 + 2.0/63) }},
		{quant.Q6_K, func(lo, hi float64) float64 { return absMax(lo, hi) / 31 * (0.5 + 1.0/127) }},
		// The value opposite to the largest, 127, may have to do with 113.
		{quant.IQ4_NL, func(lo, hi float64) float64 { return absMax(lo, hi) / 127 * 14.1 }},
	} {
		t.Run(c.ty.String(), func(t *testing.T) {
			const n = 64 * 256
			block, size := c.ty.Block()
			for name, x := range inputs(n) {
				b := ggufwrite.Encode(c.ty, x)
				if len(b) != n/block*size {
					t.Fatalf("%s: %d elements became %d bytes", name, n, len(b))
				}
				y := make([]float32, n)
				quant.Decode(c.ty, y, b)
				for i := 0; i < n; i += block {
					var lo, hi float64
					for _, v := range x[i:][:block] {
						lo, hi = min(lo, float64(v)), max(hi, float64(v))
					}
					limit := c.limit(lo, hi)
					for j := i; j < i+block; j++ {
						if e := math.Abs(float64(y[j]) - float64(x[j])); !(e <= limit) {
							t.Fatalf("%s: element %d: %g became %g, off by %g; the limit is %g", name, j, x[j], y[j], e, limit)
						}
					}
				}
			}
		})
	}
}

// inputs are n elements of several kinds, in the range where weights lie.
func inputs(n int) map[string][]float32 {
	rng := rand.New(rand.NewPCG(3, 4))
	fill := func(f func(i int) float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(f(i))
		}
		return x
	}
	return map[string][]float32{
		"zero":       fill(func(int) float64 { return 0 }),
		"one":        fill(func(int) float64 { return 1 }),
		"minus one":  fill(func(int) float64 { return -1 }),
		"normal":     fill(func(int) float64 { return rng.NormFloat64() }),
		"positive":   fill(func(int) float64 { return 3 + rng.Float64() }),
		"negative":   fill(func(int) float64 { return -3 - rng.Float64() }),
		"both signs": fill(func(i int) float64 { return float64(1 - i%2*2) }),
		"uneven":     fill(func(i int) float64 { return rng.NormFloat64() * math.Exp(float64(i/16%7)-3) }), // groups of unlike size
		"outlier":    fill(func(i int) float64 { return rng.NormFloat64() + float64(i%256/255*1000) }),
	}
}
