//go:build goexperiment.simd && amd64

package quant

import v "simd/archsimd"

// vectors: the processor has the vectors that are used here.
var vectors = v.X86.AVX2()

func load(x *each) (a, b v.Float32x8) {
	return v.LoadFloat32x8((*[8]float32)(x[:8])), v.LoadFloat32x8((*[8]float32)(x[8:]))
}

func store(x *each, a, b v.Float32x8) {
	a.Store((*[8]float32)(x[:8]))
	b.Store((*[8]float32)(x[8:]))
}

func (s *levelSums) add(x, w []float32, off float32, inverse *each, lo, hi float32) {
	switch {
	case wide:
		s.wide(x, w, off, inverse, lo, hi)
		return
	case !vectors:
		s.plain(x, w, off, inverse, lo, hi)
		return
	}
	inverse0, inverse1 := load(inverse)
	least, most := v.BroadcastFloat32x8(lo), v.BroadcastFloat32x8(hi)
	var q0, q1, qq0, qq1, yq0, yq1 v.Float32x8
	w = w[:len(x)]
	for i, e := range x {
		y, by := v.BroadcastFloat32x8(e-off), v.BroadcastFloat32x8(w[i])
		l0, l1 := y.Mul(inverse0).RoundToEven().Max(least).Min(most), y.Mul(inverse1).RoundToEven().Max(least).Min(most)
		w0, w1 := by.Mul(l0), by.Mul(l1)
		q0, q1 = q0.Add(w0), q1.Add(w1)
		qq0, qq1 = qq0.Add(w0.Mul(l0)), qq1.Add(w1.Mul(l1))
		yq0, yq1 = yq0.Add(w0.Mul(y)), yq1.Add(w1.Mul(y))
	}
	store(&s.q, q0, q1)
	store(&s.qq, qq0, qq1)
	store(&s.yq, yq0, yq1)
	v.ClearAVXUpperBits()
}

func levelLoss(loss *each, x, w []float32, off, inverse, step *each, lo, hi float32) {
	switch {
	case wide:
		levelLossWide(loss, x, w, off, inverse, step, lo, hi)
		return
	case !vectors:
		levelLossPlain(loss, x, w, off, inverse, step, lo, hi)
		return
	}
	off0, off1 := load(off)
	inverse0, inverse1 := load(inverse)
	step0, step1 := load(step)
	least, most := v.BroadcastFloat32x8(lo), v.BroadcastFloat32x8(hi)
	var sum0, sum1 v.Float32x8
	w = w[:len(x)]
	for i, e := range x {
		x, by := v.BroadcastFloat32x8(e), v.BroadcastFloat32x8(w[i])
		y0, y1 := x.Sub(off0), x.Sub(off1)
		e0 := y0.Sub(step0.Mul(y0.Mul(inverse0).RoundToEven().Max(least).Min(most)))
		e1 := y1.Sub(step1.Mul(y1.Mul(inverse1).RoundToEven().Max(least).Min(most)))
		sum0, sum1 = sum0.Add(by.Mul(e0).Mul(e0)), sum1.Add(by.Mul(e1).Mul(e1))
	}
	store(loss, sum0, sum1)
	v.ClearAVXUpperBits()
}

func levels(dst []byte, x []float32, off, inverse, lo, hi float32, plus int) {
	if !vectors || len(x)%8 != 0 {
		levelsPlain(dst, x, off, inverse, lo, hi, plus)
		return
	}
	less, by, more := v.BroadcastFloat32x8(off), v.BroadcastFloat32x8(inverse), v.BroadcastInt32x8(int32(plus))
	least, most := v.BroadcastFloat32x8(lo), v.BroadcastFloat32x8(hi)
	for ; len(x) > 0; x, dst = x[8:], dst[8:] {
		q := v.LoadFloat32x8((*[8]float32)(x)).Sub(less).Mul(by).RoundToEven().Max(least).Min(most).ConvertToInt32().Add(more)
		if wide {
			var to [16]uint8
			q.TruncateToInt8().AsUint8x16().Store(&to)
			*(*[8]byte)(dst) = [8]byte(to[:8])
			continue
		}
		var to [8]int32
		q.Store(&to)
		for i, q := range to {
			dst[i] = byte(q)
		}
	}
	v.ClearAVXUpperBits()
}

func bounds(x []float32) (lo, hi float32) {
	if !vectors || len(x)%8 != 0 || len(x) == 0 {
		return boundsPlain(x)
	}
	least := v.LoadFloat32x8((*[8]float32)(x))
	most := least
	for x = x[8:]; len(x) > 0; x = x[8:] {
		e := v.LoadFloat32x8((*[8]float32)(x))
		least, most = least.Min(e), most.Max(e)
	}
	var a, b [8]float32
	least.Store(&a)
	most.Store(&b)
	v.ClearAVXUpperBits()
	lo, _ = boundsPlain(a[:])
	_, hi = boundsPlain(b[:])
	return lo, hi
}
