//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"
	"unsafe"
)

// float512 converts rows of n elements, a multiple of 16, stride apart, to rows of full
// elements.
func float512(dst at, k Kept, rows, n, stride, full int) {
	if k.Full != nil {
		for r := range rows {
			copy(unsafe.Slice((*float32)(add(dst, r*full*4)), n), k.Full[r*stride:])
		}
		return
	}
	if n == stride && n == full { // nothing lies between the rows
		n, rows = n*rows, 1
	}
	p := at(unsafe.SliceData(k.Half))
	for range rows {
		widen(dst, p, n)
		p, dst = add(p, 2*stride), add(dst, 4*full)
	}
}

// scores512 has the positions of a page in two vectors, and four chains at a time.
func scores512(a []float32, k Kept, heads, dim int, scale float32, s *Scratch) {
	var chains [8][Page]float32
	full := upTo(dim, 64)
	page := at(unsafe.SliceData(s.page))
	if k.Scales != nil {
		keys512(page, k, dim)
	} else {
		float512(page, k, dim, Page, Page, Page)
	}
	clear(s.page[dim*Page : full*Page])
	c := at(&chains)
	by := v.BroadcastFloat32x16(scale)
	for h := range heads {
		q := at(&s.q[h*full])
		four512(c, q, page, full/64)
		four512(add(c, 4*Page*4), add(q, 32*4), add(page, 32*Page*4), full/64)
		out := at(&a[h*Span])
		for i := 0; i < Page*4; i += 64 {
			l := f32x16(c, i).Add(f32x16(c, i+128)).Add(f32x16(c, i+256).Add(f32x16(c, i+384)))
			r := f32x16(c, i+512).Add(f32x16(c, i+640)).Add(f32x16(c, i+768).Add(f32x16(c, i+896)))
			putF16(out, i, flush16(l.Add(r).Mul(by)))
		}
	}
	v.ClearAVXUpperBits()
}

// four512 computes four chains of a head, of which q and k have the first elements; each
// takes 8 elements of every 64, n times.
func four512(out, q, k at, n int) {
	var a0, a1, b0, b1, c0, c1, d0, d1 v.Float32x16
	for range n {
		for range 8 {
			x := v.BroadcastFloat32x16(f32(q, 0))
			a0, a1 = a0.Add(x.Mul(f32x16(k, 0))), a1.Add(x.Mul(f32x16(k, 64)))
			x = v.BroadcastFloat32x16(f32(q, 32))
			b0, b1 = b0.Add(x.Mul(f32x16(k, 8*128))), b1.Add(x.Mul(f32x16(k, 8*128+64)))
			x = v.BroadcastFloat32x16(f32(q, 64))
			c0, c1 = c0.Add(x.Mul(f32x16(k, 16*128))), c1.Add(x.Mul(f32x16(k, 16*128+64)))
			x = v.BroadcastFloat32x16(f32(q, 96))
			d0, d1 = d0.Add(x.Mul(f32x16(k, 24*128))), d1.Add(x.Mul(f32x16(k, 24*128+64)))
			q, k = add(q, 4), add(k, 128)
		}
		q, k = add(q, 56*4), add(k, 56*128)
	}
	putF16(out, 0, a0)
	putF16(out, 64, a1)
	putF16(out, 128, b0)
	putF16(out, 192, b1)
	putF16(out, 256, c0)
	putF16(out, 320, c1)
	putF16(out, 384, d0)
	putF16(out, 448, d1)
}

func mix512(o, a []float32, k Kept, n, stride, heads, dim int, s *Scratch) {
	if dim%16 != 0 {
		mixPlain(o, a, k, n, stride, heads, dim, s)
		return
	}
	page := at(unsafe.SliceData(s.page))
	if k.Scales != nil {
		values512(page, k, n, dim, stride)
	} else {
		float512(page, k, n, dim, stride, dim)
	}
	for h := range heads {
		out, w, d := at(&o[h*dim]), at(&a[h*Span]), 0
		for ; d+128 <= dim; d += 128 {
			eight512(add(out, 4*d), w, add(page, 4*d), n, dim)
		}
		for ; d < dim; d += 16 {
			x := f32x16(out, 4*d)
			for t := range n {
				x = x.Add(v.BroadcastFloat32x16(f32(w, 4*t)).Mul(f32x16(page, 4*(t*dim+d))))
			}
			putF16(out, 4*d, x)
		}
	}
	v.ClearAVXUpperBits()
}

// eight512 adds n positions to 128 elements.
func eight512(o, w, x at, n, dim int) {
	a0, a1, a2, a3 := f32x16(o, 0), f32x16(o, 64), f32x16(o, 128), f32x16(o, 192)
	a4, a5, a6, a7 := f32x16(o, 256), f32x16(o, 320), f32x16(o, 384), f32x16(o, 448)
	for range n {
		p := v.BroadcastFloat32x16(f32(w, 0))
		a0, a1 = a0.Add(p.Mul(f32x16(x, 0))), a1.Add(p.Mul(f32x16(x, 64)))
		a2, a3 = a2.Add(p.Mul(f32x16(x, 128))), a3.Add(p.Mul(f32x16(x, 192)))
		a4, a5 = a4.Add(p.Mul(f32x16(x, 256))), a5.Add(p.Mul(f32x16(x, 320)))
		a6, a7 = a6.Add(p.Mul(f32x16(x, 384))), a7.Add(p.Mul(f32x16(x, 448)))
		w, x = add(w, 4), add(x, 4*dim)
	}
	putF16(o, 0, a0)
	putF16(o, 64, a1)
	putF16(o, 128, a2)
	putF16(o, 192, a3)
	putF16(o, 256, a4)
	putF16(o, 320, a5)
	putF16(o, 384, a6)
	putF16(o, 448, a7)
}
