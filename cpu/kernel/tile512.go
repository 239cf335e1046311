//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"
	"unsafe"
)

// cols512 adds the terms of two blocks: rows of a tile and two columns, x and y. A pass
// takes four rows: eight sums, which is what fits the registers. The chains take the first
// block's terms, which lie in the low lanes, and then the second's.
//
//	acc[r][c] += a[r]·(2^e·I) − b[r]·(2^e·S)
//
// The branch in the loop keeps the compiler from making all products before it adds one,
// for which there are too few registers.
func cols512(halves bool, t *tile, rows int, x, y, ex, ey, acc at) {
	w, ab := at(&t.w), at(&t.ab)
	if halves {
		halves512(rows, w, x, y, ex, ey, ab, acc, at(&t.first))
		return
	}
	for ; rows > 0; rows -= 4 {
		var a0, a1, a2, a3, b0, b1, b2, b3 v.Int32x16
		px, py := x, y
		for range 16 {
			p, q := i16x32(px, 0), i16x32(py, 0)
			r := i16x32(w, 0)
			a0, b0 = a0.Add(r.DotProductPairs(p)), b0.Add(r.DotProductPairs(q))
			r = i16x32(w, 1024)
			a1, b1 = a1.Add(r.DotProductPairs(p)), b1.Add(r.DotProductPairs(q))
			if w == px { // never
				return
			}
			r = i16x32(w, 2048)
			a2, b2 = a2.Add(r.DotProductPairs(p)), b2.Add(r.DotProductPairs(q))
			r = i16x32(w, 3072)
			a3, b3 = a3.Add(r.DotProductPairs(p)), b3.Add(r.DotProductPairs(q))
			px, py, w = add(px, 64), add(py, 64), add(w, 64)
		}
		e, s := f32x16(ex, 0), f32x16(ex, 64)
		term512(a0, e, s, add(ab, 0), add(acc, 0))
		term512(a1, e, s, add(ab, 128), add(acc, 64))
		term512(a2, e, s, add(ab, 256), add(acc, 128))
		term512(a3, e, s, add(ab, 384), add(acc, 192))
		e, s = f32x16(ey, 0), f32x16(ey, 64)
		term512(b0, e, s, add(ab, 0), add(acc, 32))
		term512(b1, e, s, add(ab, 128), add(acc, 96))
		term512(b2, e, s, add(ab, 256), add(acc, 160))
		term512(b3, e, s, add(ab, 384), add(acc, 224))
		w, ab, acc = add(w, 3072), add(ab, 512), add(acc, 256)
	}
}

func term512(i v.Int32x16, e, s v.Float32x16, ab, acc at) {
	t := i.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 0)).Sub(f32x16(ab, 64).Mul(s))
	putF8(acc, 0, f32x8(acc, 0).Add(t.GetLo()).Add(t.GetHi()))
}

// halves512 is cols512 of a type with two scales a group: steps 0–7 are the first halves.
//
//	acc[r][c] += a[r]·(2^e·I0) + b[r]·(2^e·I1)
func halves512(rows int, w, x, y, ex, ey, ab, acc, first at) {
	for ; rows > 0; rows -= 4 {
		var a0, a1, a2, a3, b0, b1, b2, b3, zero v.Int32x16
		px, py := x, y
		for range 8 {
			p, q := i16x32(px, 0), i16x32(py, 0)
			r := i16x32(w, 0)
			a0, b0 = a0.Add(r.DotProductPairs(p)), b0.Add(r.DotProductPairs(q))
			r = i16x32(w, 1024)
			a1, b1 = a1.Add(r.DotProductPairs(p)), b1.Add(r.DotProductPairs(q))
			if w == px { // never
				return
			}
			r = i16x32(w, 2048)
			a2, b2 = a2.Add(r.DotProductPairs(p)), b2.Add(r.DotProductPairs(q))
			r = i16x32(w, 3072)
			a3, b3 = a3.Add(r.DotProductPairs(p)), b3.Add(r.DotProductPairs(q))
			px, py, w = add(px, 64), add(py, 64), add(w, 64)
		}
		e := f32x16(ex, 0)
		putF16(first, 0, a0.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 0)))
		putF16(first, 64, a1.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 128)))
		putF16(first, 128, a2.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 256)))
		putF16(first, 192, a3.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 384)))
		e = f32x16(ey, 0)
		putF16(first, 256, b0.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 0)))
		putF16(first, 320, b1.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 128)))
		putF16(first, 384, b2.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 256)))
		putF16(first, 448, b3.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 384)))
		a0, a1, a2, a3, b0, b1, b2, b3 = zero, zero, zero, zero, zero, zero, zero, zero
		for range 8 {
			p, q := i16x32(px, 0), i16x32(py, 0)
			r := i16x32(w, 0)
			a0, b0 = a0.Add(r.DotProductPairs(p)), b0.Add(r.DotProductPairs(q))
			r = i16x32(w, 1024)
			a1, b1 = a1.Add(r.DotProductPairs(p)), b1.Add(r.DotProductPairs(q))
			if w == px { // never
				return
			}
			r = i16x32(w, 2048)
			a2, b2 = a2.Add(r.DotProductPairs(p)), b2.Add(r.DotProductPairs(q))
			r = i16x32(w, 3072)
			a3, b3 = a3.Add(r.DotProductPairs(p)), b3.Add(r.DotProductPairs(q))
			px, py, w = add(px, 64), add(py, 64), add(w, 64)
		}
		e = f32x16(ex, 0)
		second512(a0, e, add(ab, 0), add(first, 0), add(acc, 0))
		second512(a1, e, add(ab, 128), add(first, 64), add(acc, 64))
		second512(a2, e, add(ab, 256), add(first, 128), add(acc, 128))
		second512(a3, e, add(ab, 384), add(first, 192), add(acc, 192))
		e = f32x16(ey, 0)
		second512(b0, e, add(ab, 0), add(first, 256), add(acc, 32))
		second512(b1, e, add(ab, 128), add(first, 320), add(acc, 96))
		second512(b2, e, add(ab, 256), add(first, 384), add(acc, 160))
		second512(b3, e, add(ab, 384), add(first, 448), add(acc, 224))
		w, ab, acc = add(w, 3072), add(ab, 512), add(acc, 256)
	}
}

func second512(i v.Int32x16, e v.Float32x16, ab, first, acc at) {
	t := f32x16(first, 0).Add(i.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 64)))
	putF8(acc, 0, f32x8(acc, 0).Add(t.GetLo()).Add(t.GetHi()))
}

// finishPairs is finish of n rows from row from on and all columns, whose chains lie in pairs.
// Eight rows of a pair are added together: the chains of a row are four lanes of one column,
// its other four, and those of the other column.
func finishPairs(in *Input, from, n int, dst []float32, ld int, s *Scratch) {
	acc, p, q := at(unsafe.SliceData(s.acc)), v.LoadUint32x16(&lowChains), v.LoadUint32x16(&highChains)
	for i := 0; i < in.N; i += 2 {
		a := dst[in.to(i)*ld+from:][:n]
		b := a
		if i+1 < in.N {
			b = dst[in.to(i+1)*ld+from:][:n]
		}
		for r := 0; r < n; r += 8 {
			chains := add(acc, 64*r)
			t, u := quarters(chains), quarters(add(chains, 256))
			sums := flush16(t.ConcatPermute(u, p).Add(t.ConcatPermute(u, q)))
			if n-r >= 8 {
				putF8(at(&b[r]), 0, sums.GetHi())
				putF8(at(&a[r]), 0, sums.GetLo())
				continue
			}
			var out [16]float32
			sums.Store(&out)
			copy(b[r:], out[8:])
			copy(a[r:], out[:8])
		}
		acc = add(acc, tileRows*64)
	}
}

// quarters adds the chains of four rows, a column's first four or last four: four lanes of
// answers have four rows.
func quarters(p at) v.Float32x16 {
	a, b, c, d := i32x16(p, 0), i32x16(p, 64), i32x16(p, 128), i32x16(p, 192)
	t, u := a.InterleaveLoGrouped(b).AsInt64x8(), c.InterleaveLoGrouped(d).AsInt64x8()
	x := t.InterleaveLoGrouped(u).AsInt32x16().AsFloat32x16().Add(t.InterleaveHiGrouped(u).AsInt32x16().AsFloat32x16())
	t, u = a.InterleaveHiGrouped(b).AsInt64x8(), c.InterleaveHiGrouped(d).AsInt64x8()
	return x.Add(t.InterleaveLoGrouped(u).AsInt32x16().AsFloat32x16().Add(t.InterleaveHiGrouped(u).AsInt32x16().AsFloat32x16()))
}

// lowChains and highChains bring the first and the last four chains of two times four rows in
// order: eight rows of a column, then of the other.
var lowChains, highChains = func() (a, b [16]uint32) {
	for l := range 16 {
		a[l] = uint32(l/8*8 + l%8/4*16 + l%4)
		b[l] = a[l] + 4
	}
	return
}()
