//go:build goexperiment.simd && amd64

package quant

import v "simd/archsimd"

// vectors: the processor has the vectors that are used here. No loop below works on a float
// by itself: the compiler takes the older instructions for that, which wait for vectors.
var vectors = v.X86.AVX2()

func load(x *lanes) v.Float32x8     { return v.LoadFloat32x8((*[8]float32)(x)) }
func store(x *lanes, e v.Float32x8) { e.Store((*[8]float32)(x)) }

// The numbers of IQ4_NL, for a search by halves: what lies above halves[0] is of the higher
// eight, and so on; a vector of thresholds is looked up by the bits that are known.
var (
	bitsIQ4NL   [4][8]float32 // of ⌊2^k⌋ thresholds each, again and again
	valuesLanes [2][8]float32
)

func init() {
	for k := range bitsIQ4NL {
		for at := range 8 {
			i := (at%(1<<k)*2+1)<<(3-k) - 1
			bitsIQ4NL[k][at] = (float32(valuesIQ4NL[i]) + float32(valuesIQ4NL[i+1])) / 2
		}
	}
	for i, x := range valuesIQ4NL {
		valuesLanes[i/8][i%8] = float32(x)
	}
}

// values8 are the values of IQ4_NL nearest to x.
func values8(x v.Float32x8) v.Float32x8 {
	first := x.Greater(v.LoadFloat32x8(&bitsIQ4NL[0])).ToInt32x8()
	at := v.Int32x8{}.Sub(first)
	for k := 1; k < 4; k++ {
		t := v.LoadFloat32x8(&bitsIQ4NL[k]).Permute(at.AsUint32x8())
		at = at.Add(at).Sub(x.Greater(t).ToInt32x8())
	}
	low, high := v.LoadFloat32x8(&valuesLanes[0]), v.LoadFloat32x8(&valuesLanes[1])
	return high.Permute(at.AsUint32x8()).Merge(low.Permute(at.AsUint32x8()), first.ToMask())
}

func (s *side) turn(to *[32]lanes, from []float32) {
	if !vectors {
		s.turnPlain(to, from)
		return
	}
	n := s.n
	for i := 0; i < n; i += 8 {
		var r [8]v.Int64x4
		for l := range 4 { // elements of group l beside those of group l + 4
			a := v.LoadFloat32x8((*[8]float32)(from[l*n+i:])).AsInt32x8()
			b := v.LoadFloat32x8((*[8]float32)(from[(l+4)*n+i:])).AsInt32x8()
			r[l], r[l+4] = a.Select128FromPair(0, 2, b).AsInt64x4(), a.Select128FromPair(1, 3, b).AsInt64x4()
		}
		for h := range 2 { // four elements of every group
			a, b, c, d := r[4*h].AsInt32x8(), r[4*h+1].AsInt32x8(), r[4*h+2].AsInt32x8(), r[4*h+3].AsInt32x8()
			ab, cd := a.InterleaveLoGrouped(b).AsInt64x4(), c.InterleaveLoGrouped(d).AsInt64x4()
			store(&to[i+4*h], ab.InterleaveLoGrouped(cd).AsFloat32x8())
			store(&to[i+4*h+1], ab.InterleaveHiGrouped(cd).AsFloat32x8())
			ab, cd = a.InterleaveHiGrouped(b).AsInt64x4(), c.InterleaveHiGrouped(d).AsInt64x4()
			store(&to[i+4*h+2], ab.InterleaveLoGrouped(cd).AsFloat32x8())
			store(&to[i+4*h+3], ab.InterleaveHiGrouped(cd).AsFloat32x8())
		}
	}
	v.ClearAVXUpperBits()
}

// extremes are the least and the greatest of each group.
func (s *side) extremes() (low, high v.Float32x8) {
	low = load(&s.x[0])
	high = low
	for i := range s.x[:s.n] {
		x := load(&s.x[i])
		low, high = x.Min(low), x.Max(high)
	}
	return low, high
}

func (s *side) fit(step *lanes, firsts []lanes, c curve, lo, hi float32) {
	if !vectors {
		s.fitPlain(step, firsts, c, lo, hi)
		return
	}
	bottom, top := v.BroadcastFloat32x8(lo), v.BroadcastFloat32x8(hi)
	tiny, one := v.BroadcastFloat32x8(smallest), v.BroadcastFloat32x8(1)
	var zero, best, found v.Float32x8
	low, high := s.extremes()
	minus := zero.Sub(low)
	inverse := one.Div(low.Merge(high, minus.Greater(high)))
	large := minus.Max(high).GreaterEqual(tiny)
	x, w := s.x[:s.n], s.w[:s.n]
	for t := range firsts {
		by := load(&firsts[t]).Mul(inverse)
		var xq, qq v.Float32x8
		if c == iq4nl {
			for i := range x {
				e := load(&x[i])
				q := values8(e.Mul(by))
				wq := load(&w[i]).Mul(q)
				xq, qq = xq.Add(wq.Mul(e)), qq.Add(wq.Mul(q))
			}
		} else {
			for i := range x {
				e := load(&x[i])
				q := e.Mul(by).Min(top).Max(bottom).RoundToEven()
				wq := load(&w[i]).Mul(q)
				xq, qq = xq.Add(wq.Mul(e)), qq.Add(wq.Mul(q))
			}
		}
		fit := xq.Div(qq)
		gain := xq.Mul(fit)
		better := qq.Greater(zero).And(gain.Greater(best)).And(large)
		best, found = gain.Merge(best, better), fit.Merge(found, better)
	}
	store(step, found)
	v.ClearAVXUpperBits()
}

func (s *side) fitRange(step, low *lanes, cuts []lanes, most float32, below bool) {
	if !vectors {
		s.fitRangePlain(step, low, cuts, most, below)
		return
	}
	top, one := v.BroadcastFloat32x8(most), v.BroadcastFloat32x8(1)
	tiny, part := v.BroadcastFloat32x8(smallest), v.BroadcastFloat32x8(slight)
	var zero, best v.Float32x8
	lo, hi := s.extremes()
	if below {
		lo = lo.Min(zero)
	}
	width := hi.Sub(lo)
	large := width.GreaterEqual(tiny)
	found, lowest, inverse := width.Div(top).Masked(large), lo, one.Div(width)
	minus := zero.Sub(lo)
	x, w := s.x[:s.n], s.w[:s.n]
	var sw, sy v.Float32x8
	for i := range x {
		by := load(&w[i])
		sw, sy = sw.Add(by), sy.Add(by.Mul(load(&x[i]).Sub(lo)))
	}
	for t := range cuts {
		by := load(&cuts[t]).Mul(inverse)
		var sq, qq, yq v.Float32x8
		for i := range x {
			y := load(&x[i]).Sub(lo)
			q := y.Mul(by).Min(top).Max(zero).RoundToEven()
			wq := load(&w[i]).Mul(q)
			sq, qq, yq = sq.Add(wq), qq.Add(wq.Mul(q)), yq.Add(wq.Mul(y))
		}
		det := sw.Mul(qq).Sub(sq.Mul(sq))
		a, b := sw.Mul(yq).Sub(sy.Mul(sq)).Div(det), qq.Mul(sy).Sub(sq.Mul(yq)).Div(det)
		sound := det.Greater(part.Mul(sw.Mul(qq)))
		if below {
			free := sound.And(b.LessEqual(minus))
			a, b = a.Merge(yq.Add(lo.Mul(sq)).Div(qq), free), b.Merge(minus, free)
			sound = free.Or(qq.Greater(zero))
		}
		gain := a.Mul(yq.Add(yq).Sub(a.Mul(qq)).Sub(b.Mul(sq.Add(sq)))).Add(b.Mul(sy.Add(sy).Sub(b.Mul(sw))))
		better := sound.And(a.Greater(zero)).And(gain.Greater(best)).And(large)
		best, found, lowest = gain.Merge(best, better), a.Merge(found, better), b.Add(lo).Merge(lowest, better)
	}
	store(step, found)
	store(low, lowest)
	v.ClearAVXUpperBits()
}

// steps are what a scale and a minimum make of a group: its step, what is added to its
// elements, and the step's inverse.
func steps(g *grid, scale, low v.Float32x8) (step, more, by v.Float32x8) {
	var zero v.Float32x8
	step, more = v.BroadcastFloat32x8(g.d).Mul(scale), v.BroadcastFloat32x8(g.dmin).Mul(low)
	return step, more, v.BroadcastFloat32x8(1).Div(step).Masked(step.NotEqual(zero))
}

func (s *side) look(g *grid, tries []near, scale, low *lanes) {
	if !vectors {
		s.lookPlain(g, tries, scale, low)
		return
	}
	bottom, top := v.BroadcastFloat32x8(g.lo), v.BroadcastFloat32x8(g.hi)
	from, to := v.BroadcastFloat32x8(g.from), v.BroadcastFloat32x8(g.to)
	var zero v.Float32x8
	bestScale, bestLow := load(scale), load(low)
	best := v.BroadcastInt32x8(0xff << 23).AsFloat32x8() // infinity
	x, w := s.x[:s.n], s.w[:s.n]
	for t := range tries {
		sc := load(scale).Add(load(&tries[t].scale)).Max(from).Min(to)
		lw := load(low).Add(load(&tries[t].low)).Max(zero).Min(to)
		step, more, by := steps(g, sc, lw)
		var sum v.Float32x8
		if g.c == iq4nl {
			for i := range x {
				y := load(&x[i]).Add(more)
				e := y.Sub(step.Mul(values8(y.Mul(by))))
				sum = sum.Add(load(&w[i]).Mul(e).Mul(e))
			}
		} else {
			for i := range x {
				y := load(&x[i]).Add(more)
				e := y.Sub(step.Mul(y.Mul(by).Min(top).Max(bottom).RoundToEven()))
				sum = sum.Add(load(&w[i]).Mul(e).Mul(e))
			}
		}
		better := sum.Less(best)
		best, bestScale, bestLow = sum.Merge(best, better), sc.Merge(bestScale, better), lw.Merge(bestLow, better)
	}
	store(scale, bestScale)
	store(low, bestLow)
	v.ClearAVXUpperBits()
}

func (s *side) sum(g *grid, scale, low *lanes, total *sums) {
	if !vectors {
		s.sumPlain(g, scale, low, total)
		return
	}
	bottom, top := v.BroadcastFloat32x8(g.lo), v.BroadcastFloat32x8(g.hi)
	step, more, by := steps(g, load(scale), load(low))
	_ = step
	x, w := s.x[:s.n], s.w[:s.n]
	var sw, sx, sq, qq, xq v.Float32x8
	for i := range x {
		e, weight := load(&x[i]), load(&w[i])
		q := e.Add(more).Mul(by)
		if g.c == iq4nl {
			q = values8(q)
		} else {
			q = q.Min(top).Max(bottom).RoundToEven()
		}
		wq := weight.Mul(q)
		sw, sx, sq, qq, xq = sw.Add(weight), sx.Add(weight.Mul(e)), sq.Add(wq), qq.Add(wq.Mul(q)), xq.Add(wq.Mul(e))
	}
	store(&total.w, sw)
	store(&total.x, sx)
	store(&total.q, sq)
	store(&total.qq, qq)
	store(&total.xq, xq)
	v.ClearAVXUpperBits()
}

func (s *side) extent(low, high *lanes) {
	if !vectors {
		s.extentPlain(low, high)
		return
	}
	a, b := s.extremes()
	store(low, a)
	store(high, b)
	v.ClearAVXUpperBits()
}

// put stores sixteen bytes of each group, from the place of element i on: four of each in
// every vector.
func (s *side) put(q *[256]byte, i int, w *[4]v.Int32x8) {
	ab, cd := w[0].InterleaveLoGrouped(w[1]).AsInt64x4(), w[2].InterleaveLoGrouped(w[3]).AsInt64x4()
	ef, gh := w[0].InterleaveHiGrouped(w[1]).AsInt64x4(), w[2].InterleaveHiGrouped(w[3]).AsInt64x4()
	r := [4]v.Int64x4{ab.InterleaveLoGrouped(cd), ab.InterleaveHiGrouped(cd), ef.InterleaveLoGrouped(gh), ef.InterleaveHiGrouped(gh)}
	for l := range r {
		r[l].GetLo().AsUint8x16().Store((*[16]uint8)(q[s.n*l+i:]))
		r[l].GetHi().AsUint8x16().Store((*[16]uint8)(q[s.n*(l+4)+i:]))
	}
}

func (s *side) levels(q *[256]byte, off, inverse *lanes, lo, hi float32, plus int) {
	if !vectors {
		s.levelsPlain(q[:], off, inverse, lo, hi, plus)
		return
	}
	less, by := load(off), load(inverse)
	bottom, top := v.BroadcastFloat32x8(lo), v.BroadcastFloat32x8(hi)
	more := v.BroadcastInt32x8(0x4b400000 + int32(plus)).AsFloat32x8() // so large that its last bits are whole numbers
	low := v.BroadcastInt32x8(255)
	x := s.x[:s.n]
	for i := 0; i+15 < len(x); i += 16 {
		var w [4]v.Int32x8
		for j := range w {
			x := x[i+4*j:][:4]
			a := load(&x[0]).Sub(less).Mul(by).Min(top).Max(bottom).Add(more).AsInt32x8().And(low)
			b := load(&x[1]).Sub(less).Mul(by).Min(top).Max(bottom).Add(more).AsInt32x8().And(low)
			c := load(&x[2]).Sub(less).Mul(by).Min(top).Max(bottom).Add(more).AsInt32x8().And(low)
			d := load(&x[3]).Sub(less).Mul(by).Min(top).Max(bottom).Add(more).AsInt32x8()
			w[j] = a.Or(b.ShiftAllLeft(8)).Or(c.ShiftAllLeft(16).Or(d.ShiftAllLeft(24)))
		}
		s.put(q, i, &w)
	}
	v.ClearAVXUpperBits()
}

func (s *side) levelsFP4(q *[256]byte, inverse *lanes) {
	if !vectors {
		s.levelsFP4Plain(q[:], inverse)
		return
	}
	by, unsigned, minus := load(inverse), v.BroadcastInt32x8(1<<31-1), v.BroadcastInt32x8(8)
	var zero v.Int32x8
	for i := 0; i+15 < s.n; i += 16 {
		var w [4]v.Int32x8
		for j := 15; j >= 0; j-- {
			e := load(&s.x[i+j]).Mul(by)
			a := e.AsInt32x8().And(unsigned).AsFloat32x8()
			var n v.Int32x8
			for t := range betweenFP4 {
				n = n.Sub(a.Greater(load(&betweenFP4[t])).ToInt32x8())
			}
			sign := zero.Greater(e.AsInt32x8()).And(n.Greater(zero))
			w[j/4] = w[j/4].ShiftAllLeft(8).Or(n).Or(minus.Masked(sign))
		}
		s.put(q, i, &w)
	}
	v.ClearAVXUpperBits()
}
