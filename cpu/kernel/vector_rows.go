//go:build goexperiment.simd && amd64

package kernel

import (
	"math"
	v "simd/archsimd"
	"unsafe"

	"eclat/model/numerics"
)

// Rows are short beside the matrices that they meet: both vector forms take these
// kernels of 256 bits.

// exp2 is numerics.Exp2 for −125 ≤ x ≤ 127.
func exp2(x v.Float32x8) v.Float32x8 {
	n := x.Add(v.BroadcastFloat32x8(0.5)).Floor()
	f := x.Sub(n)
	r := v.BroadcastFloat32x8(1.5403530e-4)
	r = r.Mul(f).Add(v.BroadcastFloat32x8(1.3333558e-3))
	r = r.Mul(f).Add(v.BroadcastFloat32x8(9.6181291e-3))
	r = r.Mul(f).Add(v.BroadcastFloat32x8(5.5504109e-2))
	r = r.Mul(f).Add(v.BroadcastFloat32x8(2.4022651e-1))
	r = r.Mul(f).Add(v.BroadcastFloat32x8(6.9314718e-1))
	r = r.Mul(f).Add(v.BroadcastFloat32x8(1))
	return r.AsInt32x8().Add(n.ConvertToInt32().ShiftAllLeft(23)).AsFloat32x8()
}

// recip is numerics.Recip.
func recip(x v.Float32x8) v.Float32x8 {
	one := v.BroadcastFloat32x8(1)
	r := v.BroadcastInt32x8(0x7EF311C7).Sub(x.AsInt32x8()).AsFloat32x8()
	r = r.Add(r.Mul(one.Sub(x.Mul(r))))
	r = r.Add(r.Mul(one.Sub(x.Mul(r))))
	r = r.Add(r.Mul(one.Sub(x.Mul(r))))
	return r.Add(r.Mul(one.Sub(x.Mul(r))))
}

// log2e is log₂ e.
const log2e = 1.44269504

func swiGLUVector(dst, gate, up []float32) {
	n := len(gate) &^ 7
	p, x, y := at(unsafe.SliceData(dst)), at(unsafe.SliceData(gate)), at(unsafe.SliceData(up))
	for range n / 8 {
		g := f32x8(x, 0)
		// A NaN may get lost in the sigmoid; the product has it again.
		e := g.Mul(v.BroadcastFloat32x8(-log2e)).Min(v.BroadcastFloat32x8(60)).Max(v.BroadcastFloat32x8(-60))
		s := recip(v.BroadcastFloat32x8(1).Add(exp2(e)))
		putF8(p, 0, flush8(flush8(g.Mul(s)).Mul(f32x8(y, 0))))
		p, x, y = add(p, 32), add(x, 32), add(y, 32)
	}
	v.ClearAVXUpperBits()
	swiGLUPlain(dst[n:], gate[n:], up[n:])
}

func scaleVector(dst, x []float32, by float32) {
	n := len(x) &^ 7
	p, from, scale := at(unsafe.SliceData(dst[:len(x)])), at(unsafe.SliceData(x)), v.BroadcastFloat32x8(by)
	for range n / 8 {
		putF8(p, 0, flush8(f32x8(from, 0).Mul(scale)))
		p, from = add(p, 32), add(from, 32)
	}
	v.ClearAVXUpperBits()
	scalePlain(dst[n:], x[n:], by)
}

func normVector(dst, x, w []float32, eps float32) {
	inv := float32(1 / float64(len(x)))
	r := numerics.RSqrt(float32(squares(x)*inv) + eps)
	n := len(x) &^ 7
	p, from, by := at(unsafe.SliceData(dst)), at(unsafe.SliceData(x)), at(unsafe.SliceData(w))
	scale := v.BroadcastFloat32x8(r)
	for range n / 8 {
		putF8(p, 0, flush8(f32x8(from, 0).Mul(scale).Mul(f32x8(by, 0))))
		p, from, by = add(p, 32), add(from, 32), add(by, 32)
	}
	v.ClearAVXUpperBits()
	scaleRow(dst[n:], x[n:], w[n:], r)
}

// squares is sumSquares. Where a row ends, zeros go on: they change no chain.
func squares(x []float32) float32 {
	var last, sums [wide]float32
	var few [wide / 8]float32
	var four [4]float32
	rest := copy(last[:], x[len(x)&^(wide-1):])
	for c := 0; c < wide; c += 8 {
		var s v.Float32x8
		p := at(unsafe.SliceData(x))
		for range len(x) / wide {
			q := f32x8(p, 4*c)
			s = s.Add(q.Mul(q))
			p = add(p, 4*wide)
		}
		if c < rest {
			q := f32x8(at(&last), 4*c)
			s = s.Add(q.Mul(q))
		}
		putF8(at(&sums), 4*c, s)
	}
	for i := 0; i < wide; i += 32 {
		near(at(&sums[i])).Store((*[4]float32)(at(&few[i/8])))
	}
	near(at(&few)).Store(&four)
	v.ClearAVXUpperBits()
	return (four[0] + four[1]) + (four[2] + four[3])
}

// near adds neighbours of 32 numbers until four are left.
func near(p at) v.Float32x4 {
	t := f32x8(p, 0).AddPairsGrouped(f32x8(p, 32)).AddPairsGrouped(f32x8(p, 64).AddPairsGrouped(f32x8(p, 96)))
	return t.GetLo().Add(t.GetHi())
}

// queriesVector fills a head up to 64 elements with zeros, whose products change no chain.
func queriesVector(q []float32, first, heads, dim int, s *Scratch) {
	full := upTo(dim, 64)
	for h := range heads {
		to := s.q[(first+h)*full:][:full]
		clear(to[copy(to, q[h*dim:][:dim]):])
	}
}

func weightsVector(a []float32, n, heads int, top, sum []float32) {
	for h := range heads {
		top[h] = weigh(a[h*Span:][:n])
	}
	sumRows(a, n, heads, sum)
}

// weigh turns scores into weights and returns the maximum. With a NaN among them the
// maximum is any number: the sum of the weights is NaN and so all that follows.
func weigh(a []float32) float32 {
	n := len(a) &^ 7
	p := at(unsafe.SliceData(a))
	most := float32(math.Inf(-1))
	var lane [8]float32
	if n > 0 {
		m := f32x8(p, 0)
		for i := 8; i < n; i += 8 {
			m = m.Max(f32x8(p, 4*i))
		}
		m.Store(&lane)
		v.ClearAVXUpperBits()
		for _, x := range lane {
			most = max(most, x)
		}
	}
	for _, x := range a[n:] {
		most = max(most, x)
	}
	most = float32(math.Ceil(float64(most)))
	top, least := v.BroadcastFloat32x8(most), v.BroadcastFloat32x8(-numerics.Drop)
	for i := 0; i < n; i += 8 {
		x := f32x8(p, 4*i).Sub(top)
		w := exp2(x.Min(v.BroadcastFloat32x8(127)))
		w = w.Masked(x.GreaterEqual(least)).Merge(x, x.Equal(x))
		putF8(p, 4*i, w)
	}
	v.ClearAVXUpperBits()
	for i, x := range a[n:] {
		a[n+i] = numerics.Weight(x, most)
	}
	return most
}

// sumRows adds each head's weights in order; four heads at a time, for a sum waits for
// the one before.
func sumRows(a []float32, n, heads int, sum []float32) {
	h := 0
	for ; h+4 <= heads; h += 4 {
		p, q, r, s := a[h*Span:][:n], a[(h+1)*Span:][:n], a[(h+2)*Span:][:n], a[(h+3)*Span:][:n]
		var p0, q0, r0, s0 float32
		for t, x := range p {
			p0 += x
			q0 += q[t]
			r0 += r[t]
			s0 += s[t]
		}
		sum[h], sum[h+1], sum[h+2], sum[h+3] = p0, q0, r0, s0
	}
	for ; h < heads; h++ {
		sum[h] = 0
		for _, x := range a[h*Span:][:n] {
			sum[h] += x
		}
	}
}
