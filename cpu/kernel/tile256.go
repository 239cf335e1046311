//go:build goexperiment.simd && amd64

package kernel

import v "simd/archsimd"

// cols256 is cols512 of one block.
func cols256(halves bool, t *tile, rows int, x, y, ex, ey, acc at) {
	w, ab := at(&t.w), at(&t.ab)
	if halves {
		halves256(rows, w, x, y, ex, ey, ab, acc, at(&t.first))
		return
	}
	for ; rows > 0; rows -= 4 {
		var a0, a1, a2, a3, b0, b1, b2, b3 v.Int32x8
		px, py := x, y
		for range 16 {
			p, q := i16x16(px, 0), i16x16(py, 0)
			r := i16x16(w, 0)
			a0, b0 = a0.Add(r.DotProductPairs(p)), b0.Add(r.DotProductPairs(q))
			r = i16x16(w, 512)
			a1, b1 = a1.Add(r.DotProductPairs(p)), b1.Add(r.DotProductPairs(q))
			if w == px { // never
				return
			}
			r = i16x16(w, 1024)
			a2, b2 = a2.Add(r.DotProductPairs(p)), b2.Add(r.DotProductPairs(q))
			r = i16x16(w, 1536)
			a3, b3 = a3.Add(r.DotProductPairs(p)), b3.Add(r.DotProductPairs(q))
			px, py, w = add(px, 32), add(py, 32), add(w, 32)
		}
		e, s := f32x8(ex, 0), f32x8(ex, 32)
		term256(a0, e, s, add(ab, 0), add(acc, 0))
		term256(a1, e, s, add(ab, 64), add(acc, 64))
		term256(a2, e, s, add(ab, 128), add(acc, 128))
		term256(a3, e, s, add(ab, 192), add(acc, 192))
		e, s = f32x8(ey, 0), f32x8(ey, 32)
		term256(b0, e, s, add(ab, 0), add(acc, 32))
		term256(b1, e, s, add(ab, 64), add(acc, 96))
		term256(b2, e, s, add(ab, 128), add(acc, 160))
		term256(b3, e, s, add(ab, 192), add(acc, 224))
		w, ab, acc = add(w, 1536), add(ab, 256), add(acc, 256)
	}
}

func term256(i v.Int32x8, e, s v.Float32x8, ab, acc at) {
	t := i.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 0)).Sub(f32x8(ab, 32).Mul(s))
	putF8(acc, 0, f32x8(acc, 0).Add(t))
}

// halves256 is halves512 of one block.
func halves256(rows int, w, x, y, ex, ey, ab, acc, first at) {
	for ; rows > 0; rows -= 4 {
		var a0, a1, a2, a3, b0, b1, b2, b3, zero v.Int32x8
		px, py := x, y
		for range 8 {
			p, q := i16x16(px, 0), i16x16(py, 0)
			r := i16x16(w, 0)
			a0, b0 = a0.Add(r.DotProductPairs(p)), b0.Add(r.DotProductPairs(q))
			r = i16x16(w, 512)
			a1, b1 = a1.Add(r.DotProductPairs(p)), b1.Add(r.DotProductPairs(q))
			if w == px { // never
				return
			}
			r = i16x16(w, 1024)
			a2, b2 = a2.Add(r.DotProductPairs(p)), b2.Add(r.DotProductPairs(q))
			r = i16x16(w, 1536)
			a3, b3 = a3.Add(r.DotProductPairs(p)), b3.Add(r.DotProductPairs(q))
			px, py, w = add(px, 32), add(py, 32), add(w, 32)
		}
		e := f32x8(ex, 0)
		putF8(first, 0, a0.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 0)))
		putF8(first, 32, a1.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 64)))
		putF8(first, 64, a2.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 128)))
		putF8(first, 96, a3.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 192)))
		e = f32x8(ey, 0)
		putF8(first, 128, b0.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 0)))
		putF8(first, 160, b1.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 64)))
		putF8(first, 192, b2.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 128)))
		putF8(first, 224, b3.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 192)))
		a0, a1, a2, a3, b0, b1, b2, b3 = zero, zero, zero, zero, zero, zero, zero, zero
		for range 8 {
			p, q := i16x16(px, 0), i16x16(py, 0)
			r := i16x16(w, 0)
			a0, b0 = a0.Add(r.DotProductPairs(p)), b0.Add(r.DotProductPairs(q))
			r = i16x16(w, 512)
			a1, b1 = a1.Add(r.DotProductPairs(p)), b1.Add(r.DotProductPairs(q))
			if w == px { // never
				return
			}
			r = i16x16(w, 1024)
			a2, b2 = a2.Add(r.DotProductPairs(p)), b2.Add(r.DotProductPairs(q))
			r = i16x16(w, 1536)
			a3, b3 = a3.Add(r.DotProductPairs(p)), b3.Add(r.DotProductPairs(q))
			px, py, w = add(px, 32), add(py, 32), add(w, 32)
		}
		e = f32x8(ex, 0)
		second256(a0, e, add(ab, 0), add(first, 0), add(acc, 0))
		second256(a1, e, add(ab, 64), add(first, 32), add(acc, 64))
		second256(a2, e, add(ab, 128), add(first, 64), add(acc, 128))
		second256(a3, e, add(ab, 192), add(first, 96), add(acc, 192))
		e = f32x8(ey, 0)
		second256(b0, e, add(ab, 0), add(first, 128), add(acc, 32))
		second256(b1, e, add(ab, 64), add(first, 160), add(acc, 96))
		second256(b2, e, add(ab, 128), add(first, 192), add(acc, 160))
		second256(b3, e, add(ab, 192), add(first, 224), add(acc, 224))
		w, ab, acc = add(w, 1536), add(ab, 256), add(acc, 256)
	}
}

func second256(i v.Int32x8, e v.Float32x8, ab, first, acc at) {
	t := f32x8(first, 0).Add(i.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 32)))
	putF8(acc, 0, f32x8(acc, 0).Add(t))
}
