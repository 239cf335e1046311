package numerics

import "math"

// Chains adds the terms of a row of a matrix: the term of block b belongs to chain
// b mod 8. The zero value is ready.
type Chains [8]float32

// Add adds the term of block b; b rises from call to call.
func (c *Chains) Add(b int, t float32) { c[b&7] += t }

// Sum adds the chains.
func (c *Chains) Sum() float32 {
	return ((c[0] + c[1]) + (c[2] + c[3])) + ((c[4] + c[5]) + (c[6] + c[7]))
}

// Term is the term of a block of integers with one scale, i = Σq·m, s = Σm:
// (ds)·(scale·i) − (dm)·(scale·s); ds is the weight's scale d·sc, dm its minimum dmin·mn.
func Term(ds, dm, scale float32, i, s int32) float32 {
	return float32(ds*float32(scale*float32(i))) - float32(dm*float32(scale*float32(s)))
}

// TermPlain is the term of a block without minimum.
func TermPlain(ds, scale float32, i int32) float32 { return float32(ds * float32(scale*float32(i))) }

// Term16 is the term of a block with a scale for each 16 weights, without minimums.
func Term16(ds0, ds1, scale float32, i0, i1 int32) float32 {
	return float32(ds0*float32(scale*float32(i0))) + float32(ds1*float32(scale*float32(i1)))
}

// Dot is Σ x[k]·y[k] in eight chains of 8 elements at a time: of float weights, and of
// queries with keys.
func Dot(x, y []float32) float32 {
	var c Chains
	for k, v := range x {
		c[k>>3&7] += float32(v * y[k])
	}
	return c.Sum()
}

// Dot4 is Σ x[i]·y[i] in four chains, element i in chain i mod 4: of a state's column
// with a key or a query.
func Dot4(x, y []float32) float32 {
	var c [4]float32
	for i, v := range x {
		c[i&3] += float32(v * y[i])
	}
	return (c[0] + c[1]) + (c[2] + c[3])
}

// Decay is the factor e^(dt·a) that a state is multiplied by in a step.
func Decay(dt, a float32) float32 { return Exp2(float32(Flush(float32(dt*a)) * log2e)) }

// Mean is Σx/n of a row of n: the sum in 256 chains, like SumSquares, times inv = 1/n.
func Mean(x []float32, inv float32) float32 {
	var c [256]float32
	for k, v := range x {
		c[k&255] += v
	}
	return float32(addNeighbours(&c) * inv)
}

// SumSquares is Σ x² in 256 chains, element k in chain k mod 256.
func SumSquares(x []float32) float32 {
	var c [256]float32
	for k, v := range x {
		c[k&255] += float32(v * v)
	}
	return addNeighbours(&c)
}

// addNeighbours adds neighbouring chains until one is left.
func addNeighbours(c *[256]float32) float32 {
	for n := len(c) / 2; n > 0; n /= 2 {
		for i := range n {
			c[i] = c[2*i] + c[2*i+1]
		}
	}
	return c[0]
}

// Span is how many positions attention takes together.
const Span = 256

// Drop is how far in powers of two a weight or a span may lie below the largest
// before it counts as zero.
const Drop = 40

// Weight returns a position's share of its span, 2^(s−m), m the span's maximum rounded
// up to an integer: 0 where s−m < −Drop.
func Weight(s, m float32) float32 {
	if v := s - m; !(v < -Drop) {
		return Exp2(v)
	}
	return 0
}

// Sink is the span of a sink alone, a score of the softmax without a value: its maximum
// and its sum of weights.
func Sink(x float32) (m, l float32) {
	s := Flush(float32(x * log2e))
	m = float32(math.Ceil(float64(s)))
	return m, Weight(s, m)
}

// Merge returns the maximum of two spans, a before b, and the factors of their sums.
func Merge(ma, mb float32) (m, fa, fb float32) {
	m = max(ma, mb)
	return m, Weight(ma, m), Weight(mb, m)
}
