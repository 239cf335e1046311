//go:build goexperiment.simd && amd64

package kernel

import v "simd/archsimd"

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

// takes4 are the dwords of the bytes of Q4_K, of which a step takes the low nibbles for even
// groups and the high ones for odd groups: lane l is group l%8 of dword 2t + l/8.
var takes4 = func() (a [4][16]uint32) {
	for t := range a {
		for l := range 16 {
			a[t][l] = uint32(l%8/2*8 + 2*t + l/8)
		}
	}
	return
}()

var shifts4 = [16]uint32{0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4}

// fillQ4K is fill of the nibbles of a block of Q4_K.
func fillQ4K(dst, k at, step int) {
	r0, r1 := i32x16(k, 16).AsUint32x16(), i32x16(k, 80).AsUint32x16()
	m, shifts := v.BroadcastInt32x16(0x000f000f), v.LoadUint32x16(&shifts4)
	for t := range takes4 {
		r := r0.ConcatPermute(r1, v.LoadUint32x16(&takes4[t])).ShiftRight(shifts).AsInt32x16()
		put4(dst, step, r.And(m), r.ShiftAllRight(8).And(m))
		dst = add(dst, 4*step)
	}
}

// put4 writes four steps: two of dword 2t, in the low lanes, and two of the next.
func put4(dst at, step int, even, odd v.Int32x16) {
	putI8(dst, 0, even.GetLo())
	putI8(dst, step, odd.GetLo())
	putI8(dst, 2*step, even.GetHi())
	putI8(dst, 3*step, odd.GetHi())
}

// takes6 are the dwords of Q6_K's low and high bits for fillQ6K, and how far they are moved.
var takes6 = func() (a struct {
	low, high   [4][16]uint32
	right, turn [16]int32
}) {
	for l := range 16 {
		g := l % 8
		a.right[l], a.turn[l] = int32(g%4/2*4), int32(4-g%4*2)
		for t := range 4 {
			d := 2*t + l/8
			a.low[t][l] = uint32(g/4*16 + g%2*8 + d)
			a.high[t][l] = uint32(g/4*8 + d)
		}
	}
	return
}()

// fillQ6K is fillQ4K of Q6_K.
func fillQ6K(dst, k at, step int) {
	r0, r1, high := i32x16(k, 0), i32x16(k, 64), i32x16(k, 128)
	bytes, offset := v.BroadcastInt32x16(0x00ff00ff), v.BroadcastInt16x32(32)
	low4, pair := v.BroadcastInt32x16(0x0f0f0f0f), v.BroadcastInt32x16(0x30303030)
	right, turn := v.LoadInt32x16(&takes6.right), v.LoadInt32x16(&takes6.turn)
	for t := range takes6.low {
		r := r0.ConcatPermute(r1, v.LoadUint32x16(&takes6.low[t])).ShiftRight(right).And(low4)
		r = r.Or(high.Permute(v.LoadUint32x16(&takes6.high[t])).RotateLeft(turn).And(pair))
		even := r.And(bytes).AsInt16x32().Sub(offset).AsInt32x16()
		odd := r.ShiftAllRight(8).And(bytes).AsInt16x32().Sub(offset).AsInt32x16()
		put4(dst, step, even, odd)
		dst = add(dst, 4*step)
	}
}
