//go:build goexperiment.simd && amd64

package kernel

import v "simd/archsimd"

// cols512 adds the terms of a block: tileRows rows and two columns, x and y. A pass takes
// three pairs of rows: six sums, which is what fits the registers.
//
//	acc[r][c] += a[r]·(2^e·I) − b[r]·(2^e·S)
func cols512(halves bool, t *tile, x, y, ex, ey, acc at) {
	w, ab := at(&t.w), at(&t.ab)
	if halves {
		halves512(w, x, y, ex, ey, ab, acc, at(&t.first))
		return
	}
	for range tileRows / 6 {
		var a0, a1, a2, b0, b1, b2 v.Int32x16
		px, py := x, y
		for range 16 {
			p, q := i16x32(px, 0), i16x32(py, 0)
			r := i16x32(w, 0)
			a0, b0 = a0.Add(r.DotProductPairs(p)), b0.Add(r.DotProductPairs(q))
			r = i16x32(w, 1024)
			a1, b1 = a1.Add(r.DotProductPairs(p)), b1.Add(r.DotProductPairs(q))
			r = i16x32(w, 2048)
			a2, b2 = a2.Add(r.DotProductPairs(p)), b2.Add(r.DotProductPairs(q))
			px, py, w = add(px, 64), add(py, 64), add(w, 64)
		}
		e, s := f32x16(ex, 0), f32x16(ex, 64)
		term512(a0, e, s, ab, 0, acc, 0)
		term512(a1, e, s, ab, 128, acc, 128)
		term512(a2, e, s, ab, 256, acc, 256)
		e, s = f32x16(ey, 0), f32x16(ey, 64)
		term512(b0, e, s, ab, 0, acc, 64)
		term512(b1, e, s, ab, 128, acc, 192)
		term512(b2, e, s, ab, 256, acc, 320)
		w, ab, acc = add(w, 2048), add(ab, 384), add(acc, 384)
	}
}

func term512(i v.Int32x16, e, s v.Float32x16, ab at, o int, acc at, to int) {
	t := i.ConvertToFloat32().Mul(e).Mul(f32x16(ab, o)).Sub(f32x16(ab, o+64).Mul(s))
	putF16(acc, to, f32x16(acc, to).Add(t))
}

// halves512 is cols512 of a type with two scales a group: steps 0–7 are the first halves.
//
//	acc[r][c] += a[r]·(2^e·I0) + b[r]·(2^e·I1)
func halves512(w, x, y, ex, ey, ab, acc, first at) {
	for range tileRows / 6 {
		var a0, a1, a2, b0, b1, b2, zero v.Int32x16
		px, py := x, y
		for range 8 {
			p, q := i16x32(px, 0), i16x32(py, 0)
			r := i16x32(w, 0)
			a0, b0 = a0.Add(r.DotProductPairs(p)), b0.Add(r.DotProductPairs(q))
			r = i16x32(w, 1024)
			a1, b1 = a1.Add(r.DotProductPairs(p)), b1.Add(r.DotProductPairs(q))
			r = i16x32(w, 2048)
			a2, b2 = a2.Add(r.DotProductPairs(p)), b2.Add(r.DotProductPairs(q))
			px, py, w = add(px, 64), add(py, 64), add(w, 64)
		}
		e := f32x16(ex, 0)
		putF16(first, 0, a0.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 0)))
		putF16(first, 64, a1.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 128)))
		putF16(first, 128, a2.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 256)))
		e = f32x16(ey, 0)
		putF16(first, 192, b0.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 0)))
		putF16(first, 256, b1.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 128)))
		putF16(first, 320, b2.ConvertToFloat32().Mul(e).Mul(f32x16(ab, 256)))
		a0, a1, a2, b0, b1, b2 = zero, zero, zero, zero, zero, zero
		for range 8 {
			p, q := i16x32(px, 0), i16x32(py, 0)
			r := i16x32(w, 0)
			a0, b0 = a0.Add(r.DotProductPairs(p)), b0.Add(r.DotProductPairs(q))
			r = i16x32(w, 1024)
			a1, b1 = a1.Add(r.DotProductPairs(p)), b1.Add(r.DotProductPairs(q))
			r = i16x32(w, 2048)
			a2, b2 = a2.Add(r.DotProductPairs(p)), b2.Add(r.DotProductPairs(q))
			px, py, w = add(px, 64), add(py, 64), add(w, 64)
		}
		e = f32x16(ex, 0)
		second512(a0, e, ab, 64, first, 0, acc, 0)
		second512(a1, e, ab, 192, first, 64, acc, 128)
		second512(a2, e, ab, 320, first, 128, acc, 256)
		e = f32x16(ey, 0)
		second512(b0, e, ab, 64, first, 192, acc, 64)
		second512(b1, e, ab, 192, first, 256, acc, 192)
		second512(b2, e, ab, 320, first, 320, acc, 320)
		w, ab, acc = add(w, 2048), add(ab, 384), add(acc, 384)
	}
}

func second512(i v.Int32x16, e v.Float32x16, ab at, o int, first at, f int, acc at, to int) {
	t := f32x16(first, f).Add(i.ConvertToFloat32().Mul(e).Mul(f32x16(ab, o)))
	putF16(acc, to, f32x16(acc, to).Add(t))
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

// fillQ4K is fill of the nibbles of a block of Q4_K, 64 bytes a step.
func fillQ4K(dst, k at) {
	r0, r1 := i32x16(k, 16).AsUint32x16(), i32x16(k, 80).AsUint32x16()
	m, shifts := v.BroadcastInt32x16(0x000f000f), v.LoadUint32x16(&shifts4)
	for t := range takes4 {
		r := r0.ConcatPermute(r1, v.LoadUint32x16(&takes4[t])).ShiftRight(shifts).AsInt32x16()
		put4(dst, r.And(m), r.ShiftAllRight(8).And(m))
		dst = add(dst, 256)
	}
}

// put4 writes four steps: two of dword 2t, in the low lanes, and two of the next.
func put4(dst at, even, odd v.Int32x16) {
	putI8(dst, 0, even.GetLo())
	putI8(dst, 64, odd.GetLo())
	putI8(dst, 128, even.GetHi())
	putI8(dst, 192, odd.GetHi())
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
func fillQ6K(dst, k at) {
	r0, r1, high := i32x16(k, 0), i32x16(k, 64), i32x16(k, 128)
	bytes, offset := v.BroadcastInt32x16(0x00ff00ff), v.BroadcastInt16x32(32)
	low4, pair := v.BroadcastInt32x16(0x0f0f0f0f), v.BroadcastInt32x16(0x30303030)
	right, turn := v.LoadInt32x16(&takes6.right), v.LoadInt32x16(&takes6.turn)
	for t := range takes6.low {
		r := r0.ConcatPermute(r1, v.LoadUint32x16(&takes6.low[t])).ShiftRight(right).And(low4)
		r = r.Or(high.Permute(v.LoadUint32x16(&takes6.high[t])).RotateLeft(turn).And(pair))
		even := r.And(bytes).AsInt16x32().Sub(offset).AsInt32x16()
		odd := r.ShiftAllRight(8).And(bytes).AsInt16x32().Sub(offset).AsInt32x16()
		put4(dst, even, odd)
		dst = add(dst, 256)
	}
}
