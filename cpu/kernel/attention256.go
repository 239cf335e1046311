//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"
	"unsafe"
)

// float256 is float512; n is a multiple of 8.
func float256(dst at, k Kept, rows, n, stride, full int) {
	if k.Full != nil {
		for r := range rows {
			copy(unsafe.Slice((*float32)(add(dst, r*full*4)), n), k.Full[r*stride:])
		}
		return
	}
	p := at(unsafe.SliceData(k.Half))
	for r := range rows {
		from, to := add(p, r*stride*2), add(dst, r*full*4)
		for range n / 32 {
			a, b := i16x16(from, 0), i16x16(from, 32)
			if normal(a, b) {
				for o := 0; o < 64; o += 16 {
					putF8(to, 2*o, normal8(i16x8(from, o).ExtendToInt32()))
				}
			} else {
				for o := 0; o < 64; o += 16 {
					putF8(to, 2*o, halves8(i16x8(from, o).ExtendToInt32()))
				}
			}
			from, to = add(from, 64), add(to, 128)
		}
		for range n % 32 / 8 {
			putF8(to, 0, halves8(i16x8(from, 0).ExtendToInt32()))
			from, to = add(from, 16), add(to, 32)
		}
	}
}

// scores256 has the positions of a page in four vectors, and two chains at a time.
func scores256(a []float32, k Kept, heads, dim int, scale float32, s *Scratch) {
	var chains [8][Page]float32
	full := upTo(dim, 64)
	page := at(unsafe.SliceData(s.page))
	if k.Scales != nil {
		keys256(page, k, dim)
	} else {
		float256(page, k, dim, Page, Page, Page)
	}
	clear(s.page[dim*Page : full*Page])
	c := at(&chains)
	by := v.BroadcastFloat32x8(scale)
	for h := range heads {
		q := at(&s.q[h*full])
		for i := range 4 {
			two256(add(c, i*2*Page*4), add(q, i*16*4), add(page, i*16*Page*4), full/64)
		}
		out := at(&a[h*Span])
		for i := 0; i < Page*4; i += 32 {
			l := f32x8(c, i).Add(f32x8(c, i+128)).Add(f32x8(c, i+256).Add(f32x8(c, i+384)))
			r := f32x8(c, i+512).Add(f32x8(c, i+640)).Add(f32x8(c, i+768).Add(f32x8(c, i+896)))
			putF8(out, i, flush8(l.Add(r).Mul(by)))
		}
	}
	v.ClearAVXUpperBits()
}

// two256 computes two chains of a head.
func two256(out, q, k at, n int) {
	var a0, a1, a2, a3, b0, b1, b2, b3 v.Float32x8
	for range n {
		for range 8 {
			x := v.BroadcastFloat32x8(f32(q, 0))
			a0, a1 = a0.Add(x.Mul(f32x8(k, 0))), a1.Add(x.Mul(f32x8(k, 32)))
			a2, a3 = a2.Add(x.Mul(f32x8(k, 64))), a3.Add(x.Mul(f32x8(k, 96)))
			x = v.BroadcastFloat32x8(f32(q, 32))
			b0, b1 = b0.Add(x.Mul(f32x8(k, 8*128))), b1.Add(x.Mul(f32x8(k, 8*128+32)))
			b2, b3 = b2.Add(x.Mul(f32x8(k, 8*128+64))), b3.Add(x.Mul(f32x8(k, 8*128+96)))
			q, k = add(q, 4), add(k, 128)
		}
		q, k = add(q, 56*4), add(k, 56*128)
	}
	putF8(out, 0, a0)
	putF8(out, 32, a1)
	putF8(out, 64, a2)
	putF8(out, 96, a3)
	putF8(out, 128, b0)
	putF8(out, 160, b1)
	putF8(out, 192, b2)
	putF8(out, 224, b3)
}

func mix256(o, a []float32, k Kept, n, stride, heads, dim int, s *Scratch) {
	if dim%8 != 0 {
		mixPlain(o, a, k, n, stride, heads, dim, s)
		return
	}
	page := at(unsafe.SliceData(s.page))
	if k.Scales != nil {
		values256(page, k, n, dim, stride)
	} else {
		float256(page, k, n, dim, stride, dim)
	}
	for h := range heads {
		out, w, d := at(&o[h*dim]), at(&a[h*Span]), 0
		for ; d+64 <= dim; d += 64 {
			eight256(add(out, 4*d), w, add(page, 4*d), n, dim)
		}
		for ; d < dim; d += 8 {
			x := f32x8(out, 4*d)
			for t := range n {
				x = x.Add(v.BroadcastFloat32x8(f32(w, 4*t)).Mul(f32x8(page, 4*(t*dim+d))))
			}
			putF8(out, 4*d, x)
		}
	}
	v.ClearAVXUpperBits()
}

// eight256 adds n positions to 64 elements.
func eight256(o, w, x at, n, dim int) {
	a0, a1, a2, a3 := f32x8(o, 0), f32x8(o, 32), f32x8(o, 64), f32x8(o, 96)
	a4, a5, a6, a7 := f32x8(o, 128), f32x8(o, 160), f32x8(o, 192), f32x8(o, 224)
	for range n {
		p := v.BroadcastFloat32x8(f32(w, 0))
		a0, a1 = a0.Add(p.Mul(f32x8(x, 0))), a1.Add(p.Mul(f32x8(x, 32)))
		a2, a3 = a2.Add(p.Mul(f32x8(x, 64))), a3.Add(p.Mul(f32x8(x, 96)))
		a4, a5 = a4.Add(p.Mul(f32x8(x, 128))), a5.Add(p.Mul(f32x8(x, 160)))
		a6, a7 = a6.Add(p.Mul(f32x8(x, 192))), a7.Add(p.Mul(f32x8(x, 224)))
		w, x = add(w, 4), add(x, 4*dim)
	}
	putF8(o, 0, a0)
	putF8(o, 32, a1)
	putF8(o, 64, a2)
	putF8(o, 96, a3)
	putF8(o, 128, a4)
	putF8(o, 160, a5)
	putF8(o, 192, a6)
	putF8(o, 224, a7)
}
