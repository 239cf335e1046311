//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"
	"unsafe"

	"eclat/model/numerics"
)

func l2NormVector(dst, x []float32, eps float32) {
	r := numerics.RSqrt(squares(x) + eps)
	n := len(x) &^ 7
	p, from := at(unsafe.SliceData(dst)), at(unsafe.SliceData(x))
	scale := v.BroadcastFloat32x8(r)
	for range n / 8 {
		putF8(p, 0, flush8(f32x8(from, 0).Mul(scale)))
		p, from = add(p, 32), add(from, 32)
	}
	v.ClearAVXUpperBits()
	l2Scale(dst[n:], x[n:], r)
}

// stateLanes is how many columns the vector forms take at once, a chain a register; the
// columns that are left over are the plain form's.
const stateLanes = 8

func deltaVector(dst, h []float32, stride int, q, k, x []float32, decay, beta, scale float32) {
	n := len(x) &^ (stateLanes - 1)
	b := v.BroadcastFloat32x8(beta)
	for from := 0; from < n; from += stateLanes {
		p := at(&h[from])
		read := readColumns(p, stride, k, decay)
		d := flush8(b.Mul(f32x8(at(&x[from]), 0).Sub(flush8(read))))
		answer := updateColumns(p, stride, q, k, d, decay)
		putF8(at(&dst[from]), 0, flush8(answer.Mul(v.BroadcastFloat32x8(scale))))
	}
	v.ClearAVXUpperBits()
	if n < len(x) {
		deltaPlain(dst[n:], h[n:], stride, q, k, x[n:], decay, beta, scale)
	}
}

func scanVector(dst, h []float32, stride int, q, k, x []float32, decay, dt, skip float32) {
	n := len(x) &^ (stateLanes - 1)
	for from := 0; from < n; from += stateLanes {
		y := f32x8(at(&x[from]), 0)
		answer := updateColumns(at(&h[from]), stride, q, k, flush8(v.BroadcastFloat32x8(dt).Mul(y)), decay)
		putF8(at(&dst[from]), 0, flush8(answer.Add(v.BroadcastFloat32x8(skip).Mul(y))))
	}
	v.ClearAVXUpperBits()
	if n < len(x) {
		scanPlain(dst[n:], h[n:], stride, q, k, x[n:], decay, dt, skip)
	}
}

// readColumns is Dot4 of eight columns of the decayed state with k.
func readColumns(p at, stride int, k []float32, decay float32) v.Float32x8 {
	var c0, c1, c2, c3 v.Float32x8
	a, next := v.BroadcastFloat32x8(decay), 4*stride
	i := 0
	for ; i+4 <= len(k); i += 4 {
		c0 = c0.Add(flush8(a.Mul(f32x8(p, 0))).Mul(v.BroadcastFloat32x8(k[i])))
		c1 = c1.Add(flush8(a.Mul(f32x8(p, next))).Mul(v.BroadcastFloat32x8(k[i+1])))
		c2 = c2.Add(flush8(a.Mul(f32x8(p, 2*next))).Mul(v.BroadcastFloat32x8(k[i+2])))
		c3 = c3.Add(flush8(a.Mul(f32x8(p, 3*next))).Mul(v.BroadcastFloat32x8(k[i+3])))
		p = add(p, 4*next)
	}
	rest := [3]v.Float32x8{c0, c1, c2} // the last chain has no more
	for j := range len(k) - i {
		rest[j] = rest[j].Add(flush8(a.Mul(f32x8(p, j*next))).Mul(v.BroadcastFloat32x8(k[i+j])))
	}
	return rest[0].Add(rest[1]).Add(rest[2].Add(c3))
}

// updateColumns computes h = Flush(Flush(decay·h) + k[i]·d) in eight columns and returns
// Dot4 of them with q.
func updateColumns(p at, stride int, q, k []float32, d v.Float32x8, decay float32) v.Float32x8 {
	var c0, c1, c2, c3 v.Float32x8
	a, next := v.BroadcastFloat32x8(decay), 4*stride
	q = q[:len(k)]
	i := 0
	for ; i+4 <= len(k); i += 4 {
		h0 := flush8(flush8(a.Mul(f32x8(p, 0))).Add(v.BroadcastFloat32x8(k[i]).Mul(d)))
		h1 := flush8(flush8(a.Mul(f32x8(p, next))).Add(v.BroadcastFloat32x8(k[i+1]).Mul(d)))
		h2 := flush8(flush8(a.Mul(f32x8(p, 2*next))).Add(v.BroadcastFloat32x8(k[i+2]).Mul(d)))
		h3 := flush8(flush8(a.Mul(f32x8(p, 3*next))).Add(v.BroadcastFloat32x8(k[i+3]).Mul(d)))
		putF8(p, 0, h0)
		putF8(p, next, h1)
		putF8(p, 2*next, h2)
		putF8(p, 3*next, h3)
		c0 = c0.Add(h0.Mul(v.BroadcastFloat32x8(q[i])))
		c1 = c1.Add(h1.Mul(v.BroadcastFloat32x8(q[i+1])))
		c2 = c2.Add(h2.Mul(v.BroadcastFloat32x8(q[i+2])))
		c3 = c3.Add(h3.Mul(v.BroadcastFloat32x8(q[i+3])))
		p = add(p, 4*next)
	}
	rest := [3]v.Float32x8{c0, c1, c2}
	for j := range len(k) - i {
		h := flush8(flush8(a.Mul(f32x8(p, j*next))).Add(v.BroadcastFloat32x8(k[i+j]).Mul(d)))
		putF8(p, j*next, h)
		rest[j] = rest[j].Add(h.Mul(v.BroadcastFloat32x8(q[i+j])))
	}
	return rest[0].Add(rest[1]).Add(rest[2].Add(c3))
}
