//go:build goexperiment.simd && amd64

package quant

import v "simd/archsimd"

// wide: the processor has vectors of sixteen floats, a lane for each try.
var wide = v.X86.AVX512()

func round16(x v.Float32x16) v.Float32x16 { return x.RoundToEvenScaled(0) }

func (s *levelSums) wide(x, w []float32, off float32, inverse *each, lo, hi float32) {
	by := v.LoadFloat32x16((*[16]float32)(inverse))
	least, most := v.BroadcastFloat32x16(lo), v.BroadcastFloat32x16(hi)
	var q, qq, yq v.Float32x16
	w = w[:len(x)]
	for i, e := range x {
		y := v.BroadcastFloat32x16(e - off)
		l := round16(y.Mul(by)).Max(least).Min(most)
		wl := v.BroadcastFloat32x16(w[i]).Mul(l)
		q, qq, yq = q.Add(wl), qq.Add(wl.Mul(l)), yq.Add(wl.Mul(y))
	}
	q.Store((*[16]float32)(&s.q))
	qq.Store((*[16]float32)(&s.qq))
	yq.Store((*[16]float32)(&s.yq))
	v.ClearAVXUpperBits()
}

func levelLossWide(loss *each, x, w []float32, off, inverse, step *each, lo, hi float32) {
	less, by, steps := v.LoadFloat32x16((*[16]float32)(off)), v.LoadFloat32x16((*[16]float32)(inverse)), v.LoadFloat32x16((*[16]float32)(step))
	least, most := v.BroadcastFloat32x16(lo), v.BroadcastFloat32x16(hi)
	var sum v.Float32x16
	w = w[:len(x)]
	for i, e := range x {
		y := v.BroadcastFloat32x16(e).Sub(less)
		e := y.Sub(steps.Mul(round16(y.Mul(by)).Max(least).Min(most)))
		sum = sum.Add(v.BroadcastFloat32x16(w[i]).Mul(e).Mul(e))
	}
	sum.Store((*[16]float32)(loss))
	v.ClearAVXUpperBits()
}
