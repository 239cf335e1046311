//go:build goexperiment.simd && amd64

package kernel

import v "simd/archsimd"

// cols256 adds the terms of a block: tileRows rows and two columns, x and y. A pass takes
// three rows: six sums, which is what fits the registers.
//
//	acc[r][c] += a[r]·(2^e·I) − b[r]·(2^e·S)
func cols256(halves bool, t *tile, x, y, ex, ey, acc at) {
	w, ab := at(&t.w), at(&t.ab)
	if halves {
		halves256(w, x, y, ex, ey, ab, acc, at(&t.first))
		return
	}
	for range tileRows / 3 {
		var a0, a1, a2, b0, b1, b2 v.Int32x8
		px, py := x, y
		for range 16 {
			p, q := i16x16(px, 0), i16x16(py, 0)
			r := i16x16(w, 0)
			a0, b0 = a0.Add(r.DotProductPairs(p)), b0.Add(r.DotProductPairs(q))
			r = i16x16(w, 512)
			a1, b1 = a1.Add(r.DotProductPairs(p)), b1.Add(r.DotProductPairs(q))
			r = i16x16(w, 1024)
			a2, b2 = a2.Add(r.DotProductPairs(p)), b2.Add(r.DotProductPairs(q))
			px, py, w = add(px, 32), add(py, 32), add(w, 32)
		}
		e, s := f32x8(ex, 0), f32x8(ex, 32)
		term256(a0, e, s, ab, 0, acc, 0)
		term256(a1, e, s, ab, 64, acc, 64)
		term256(a2, e, s, ab, 128, acc, 128)
		e, s = f32x8(ey, 0), f32x8(ey, 32)
		term256(b0, e, s, ab, 0, acc, 32)
		term256(b1, e, s, ab, 64, acc, 96)
		term256(b2, e, s, ab, 128, acc, 160)
		w, ab, acc = add(w, 1024), add(ab, 192), add(acc, 192)
	}
}

func term256(i v.Int32x8, e, s v.Float32x8, ab at, o int, acc at, to int) {
	t := i.ConvertToFloat32().Mul(e).Mul(f32x8(ab, o)).Sub(f32x8(ab, o+32).Mul(s))
	putF8(acc, to, f32x8(acc, to).Add(t))
}

// halves256 is cols256 of a type with two scales a group: steps 0–7 are the first halves.
//
//	acc[r][c] += a[r]·(2^e·I0) + b[r]·(2^e·I1)
func halves256(w, x, y, ex, ey, ab, acc, first at) {
	for range tileRows / 3 {
		var a0, a1, a2, b0, b1, b2, zero v.Int32x8
		px, py := x, y
		for range 8 {
			p, q := i16x16(px, 0), i16x16(py, 0)
			r := i16x16(w, 0)
			a0, b0 = a0.Add(r.DotProductPairs(p)), b0.Add(r.DotProductPairs(q))
			r = i16x16(w, 512)
			a1, b1 = a1.Add(r.DotProductPairs(p)), b1.Add(r.DotProductPairs(q))
			r = i16x16(w, 1024)
			a2, b2 = a2.Add(r.DotProductPairs(p)), b2.Add(r.DotProductPairs(q))
			px, py, w = add(px, 32), add(py, 32), add(w, 32)
		}
		e := f32x8(ex, 0)
		putF8(first, 0, a0.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 0)))
		putF8(first, 32, a1.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 64)))
		putF8(first, 64, a2.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 128)))
		e = f32x8(ey, 0)
		putF8(first, 96, b0.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 0)))
		putF8(first, 128, b1.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 64)))
		putF8(first, 160, b2.ConvertToFloat32().Mul(e).Mul(f32x8(ab, 128)))
		a0, a1, a2, b0, b1, b2 = zero, zero, zero, zero, zero, zero
		for range 8 {
			p, q := i16x16(px, 0), i16x16(py, 0)
			r := i16x16(w, 0)
			a0, b0 = a0.Add(r.DotProductPairs(p)), b0.Add(r.DotProductPairs(q))
			r = i16x16(w, 512)
			a1, b1 = a1.Add(r.DotProductPairs(p)), b1.Add(r.DotProductPairs(q))
			r = i16x16(w, 1024)
			a2, b2 = a2.Add(r.DotProductPairs(p)), b2.Add(r.DotProductPairs(q))
			px, py, w = add(px, 32), add(py, 32), add(w, 32)
		}
		e = f32x8(ex, 0)
		second256(a0, e, ab, 32, first, 0, acc, 0)
		second256(a1, e, ab, 96, first, 32, acc, 64)
		second256(a2, e, ab, 160, first, 64, acc, 128)
		e = f32x8(ey, 0)
		second256(b0, e, ab, 32, first, 96, acc, 32)
		second256(b1, e, ab, 96, first, 128, acc, 96)
		second256(b2, e, ab, 160, first, 160, acc, 160)
		w, ab, acc = add(w, 1024), add(ab, 192), add(acc, 192)
	}
}

func second256(i v.Int32x8, e v.Float32x8, ab at, o int, first at, f int, acc at, to int) {
	t := f32x8(first, f).Add(i.ConvertToFloat32().Mul(e).Mul(f32x8(ab, o)))
	putF8(acc, to, f32x8(acc, to).Add(t))
}
