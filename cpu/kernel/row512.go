//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"

	"eclat/loader/quant"
)

var avx512 = Form{
	Name: "avx512", many: twoBlocks,
	Round:   func(in *Input, i int, x []float32) { roundVector(in, i, x, &order6of512) },
	Product: (&vectorKernels{row: row512, step: 64, lanes: 16, columns: twoByTwo(cols512)}).product,
	Norm:    normVector, SwiGLU: swiGLUVector, L2Norm: l2NormVector,
	Delta: deltaVector, Scan: scanVector,
	Queries: queriesVector, Scores: scores512, Weights: weightsVector, Mix: mix512,
}

// row512 adds the terms of a row of weights at k to eight chains.
func row512(t quant.Type, k at, in *Input, i int, acc at, s *Scratch) {
	m, e := at(&in.m[i*in.padded*wide]), at(&in.e[i*in.padded*32])
	switch t {
	case quant.Q4_K, quant.Q5_K:
		sums, heads, tmp := add(e, 32*in.padded), at(&s.tile.heads), at(&s.tile.ab)
		if t == quant.Q4_K {
			q4k512(k, in.blocks, m, e, sums, acc, heads, tmp)
		} else {
			q5k512(k, in.blocks, m, e, sums, acc, heads, tmp)
		}
	case quant.Q6_K:
		q6k512(k, in.blocks, m, e, acc)
	default:
		natural512(t, k, in, m, e, acc, s)
	}
}

// lastHeaders is headers4 of the last n blocks of a row, fewer than four; those of the blocks
// that are not there are zeros. heads has room for four.
func lastHeaders(k at, size, n int, heads, out at) {
	h := (*[64]byte)(heads)
	clear(h[:])
	for i := range n {
		copy(h[16*i:], (*[16]byte)(add(k, i*size))[:])
	}
	headers4(heads, 16, out)
}

// pairs makes the indices that bring sums of two blocks in order: of lists where the first
// of the two or four lanes of a group lies; the others follow four lanes apart.
func pairs(of []uint32) (first, second [16]uint32) {
	for i := range 16 {
		first[i] = uint32(i>>3*16) + of[i&7]
		second[i] = first[i] + 4
	}
	return
}

var (
	pair4a, pair4b = pairs([]uint32{0, 1, 8, 9, 2, 3, 10, 11})
	pair6a, pair6b = pairs([]uint32{0, 8, 1, 9, 2, 10, 3, 11})
	pair0a, pair0b = natural4()
)

// natural4 makes the indices that bring the sums of two times four groups in order, from
// the lanes 4l+i of group i: l = 0 in the low half and 2 in the high one, then 1 and 3.
func natural4() (first, second [16]uint32) {
	for i := range 16 {
		first[i] = uint32(i>>2&1*16 + i>>3*8 + i&3)
		second[i] = first[i] + 4
	}
	return
}

// eight are the indices that repeat element 2i eight times, then element 2i+1.
var eight = func() (a [2][16]uint32) {
	for i := range 2 {
		for l := range 16 {
			a[i][l] = uint32(2*i + l/8)
		}
	}
	return
}()

// headers4 reads the headers of four blocks of Q4_K or Q5_K, size bytes each: the scales and minimums of two
// blocks, d·sc (16) and dmin·mn (16), then of the other two.
func headers4(k at, size int, out at) {
	h0, h1, h2, h3 := u32x4(k, 0), u32x4(k, size), u32x4(k, 2*size), u32x4(k, 3*size)
	t0, t1 := h0.InterleaveLo(h1).AsUint64x2(), h0.InterleaveHi(h1).AsUint64x2()
	t2, t3 := h2.InterleaveLo(h3).AsUint64x2(), h2.InterleaveHi(h3).AsUint64x2()
	d, u0 := t0.InterleaveLo(t2).AsInt32x4(), t0.InterleaveHi(t2).AsInt32x4()
	u1, u2 := t1.InterleaveLo(t3).AsInt32x4(), t1.InterleaveHi(t3).AsInt32x4()
	m3f, m0f, m30 := v.BroadcastInt32x4(0x3f3f3f3f), v.BroadcastInt32x4(0x0f0f0f0f), v.BroadcastInt32x4(0x30303030)
	sl, sh := u0.And(m3f), u2.And(m0f).Or(u0.ShiftAllRight(2).And(m30))
	ml, mh := u1.And(m3f), u2.ShiftAllRight(4).And(m0f).Or(u1.ShiftAllRight(2).And(m30))
	var z v.Int32x8
	dm := halves8(z.SetLo(d).SetHi(d.ShiftAllRight(16)))
	var z16 v.Float32x16
	ds, dms := z16.SetLo(dm), z16.SetLo(dm.Select128FromPair(1, 1, dm))
	i0, i1 := v.LoadUint32x16(&eight[0]), v.LoadUint32x16(&eight[1])
	putF16(out, 0, bytes16(sl.InterleaveLo(sh)).Mul(ds.Permute(i0)))
	putF16(out, 64, bytes16(ml.InterleaveLo(mh)).Mul(dms.Permute(i0)))
	putF16(out, 128, bytes16(sl.InterleaveHi(sh)).Mul(ds.Permute(i1)))
	putF16(out, 192, bytes16(ml.InterleaveHi(mh)).Mul(dms.Permute(i1)))
}

func bytes16(b v.Int32x4) v.Float32x16 {
	return b.AsUint8x16().ExtendToUint32().AsInt32x16().ConvertToFloat32()
}

// sums4 gives the integer sums of a block of Q4_K, 16 parts of them; odd groups come 16
// times too large.
func sums4(k, x at, low, high v.Int16x32) v.Int32x16 {
	w := i16x32(k, 16)
	u := w.ShiftAllRight(8)
	a := w.And(low).DotProductPairs(i16x32(x, 0)).Add(u.And(low).DotProductPairs(i16x32(x, 128)))
	b := w.And(high).DotProductPairs(i16x32(x, 64)).Add(u.And(high).DotProductPairs(i16x32(x, 192)))
	w = i16x32(k, 80)
	u = w.ShiftAllRight(8)
	c := w.And(low).DotProductPairs(i16x32(x, 256)).Add(u.And(low).DotProductPairs(i16x32(x, 384)))
	d := w.And(high).DotProductPairs(i16x32(x, 320)).Add(u.And(high).DotProductPairs(i16x32(x, 448)))
	return add16(a, b, c, d)
}

// q4k512 adds n blocks to eight chains; e is 2^e, in odd groups a sixteenth of it, sums is
// 2^e·Σm. heads has room for 64 bytes, tmp for 64 floats. Where n is odd, the block beside
// the last adds zeros.
func q4k512(k at, n int, x, e, sums, acc, heads, tmp at) {
	low, high := v.BroadcastInt16x32(15), v.BroadcastInt16x32(0xf0)
	c := f32x8(acc, 0)
	p, q := v.LoadUint32x16(&pair4a), v.LoadUint32x16(&pair4b)
	for ; n > 0; n -= 4 {
		if n < 4 {
			lastHeaders(k, 144, n, heads, tmp)
		} else {
			headers4(k, 144, tmp)
		}
		for i := 0; i < min(n, 4); i += 2 {
			a := sums4(k, x, low, high)
			var b v.Int32x16
			if i+1 < n {
				b = sums4(add(k, 144), add(x, 512), low, high)
			}
			k, x = add(k, 288), add(x, 1024)
			sum := a.ConcatPermute(b, p).Add(a.ConcatPermute(b, q))
			t := sum.ConvertToFloat32().Mul(f32x16(e, 0)).Mul(f32x16(tmp, 64*i)).Sub(f32x16(tmp, 64*i+64).Mul(f32x16(sums, 0)))
			c = c.Add(t.GetLo()).Add(t.GetHi())
			e, sums = add(e, 64), add(sums, 64)
		}
	}
	putF8(acc, 0, c)
}

// q5k512 is q4k512 of Q5_K.
func q5k512(k at, n int, x, e, sums, acc, heads, tmp at) {
	c := f32x8(acc, 0)
	p, q := v.LoadUint32x16(&pair4a), v.LoadUint32x16(&pair4b)
	for ; n > 0; n -= 4 {
		if n < 4 {
			lastHeaders(k, 176, n, heads, tmp)
		} else {
			headers4(k, 176, tmp)
		}
		for i := 0; i < min(n, 4); i += 2 {
			a := sums5(k, x)
			var b v.Int32x16
			if i+1 < n {
				b = sums5(add(k, 176), add(x, 512))
			}
			k, x = add(k, 352), add(x, 1024)
			sum := a.ConcatPermute(b, p).Add(a.ConcatPermute(b, q))
			t := sum.ConvertToFloat32().Mul(f32x16(e, 0)).Mul(f32x16(tmp, 64*i)).Sub(f32x16(tmp, 64*i+64).Mul(f32x16(sums, 0)))
			c = c.Add(t.GetLo()).Add(t.GetHi())
			e, sums = add(e, 64), add(sums, 64)
		}
	}
	putF8(acc, 0, c)
}

// sums5 is sums4 of a block of Q5_K, of whose fifth bits a byte has those of eight groups.
func sums5(k, x at) v.Int32x16 {
	z := high6(k, 16)
	a, b := half5(i16x32(k, 48), z, x)
	c, d := half5(i16x32(k, 112), z.ShiftAllRight(4), add(x, 256))
	return add16(a, b, c, d)
}

func half5(w, z v.Int16x32, x at) (a, b v.Int32x16) {
	low, high, bit, bits := v.BroadcastInt16x32(15), v.BroadcastInt16x32(0xf0), v.BroadcastInt16x32(0x10), v.BroadcastInt16x32(0x100)
	u := w.ShiftAllRight(8)
	a = w.And(low).Or(z.ShiftAllLeft(4).And(bit)).DotProductPairs(i16x32(x, 0)).Add(u.And(low).Or(z.ShiftAllRight(4).And(bit)).DotProductPairs(i16x32(x, 128)))
	b = w.And(high).Or(z.ShiftAllLeft(7).And(bits)).DotProductPairs(i16x32(x, 64)).Add(u.And(high).Or(z.ShiftAllRight(1).And(bits)).DotProductPairs(i16x32(x, 192)))
	return a, b
}

// scales6 puts the 16 scales of a block in the order of its sums.
var scales6 = [16]int8{0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15}

// q6k512 adds n blocks to eight chains; e is 2^e in the order of the
// sums (16), a sixteenth of it where they come 16 times too large, and 32·Σm (16).
func q6k512(k at, n int, x, e, acc at) {
	low, high, pair, pairs := v.BroadcastInt16x32(15), v.BroadcastInt16x32(0xf0), v.BroadcastInt16x32(0x30), v.BroadcastInt16x32(0x300)
	c := f32x8(acc, 0)
	var last v.Float32x16
	for i := range n {
		a, b := half6(i16x32(k, 0), high6(k, 128), x, low, high, pair, pairs)
		a1, b1 := half6(i16x32(k, 64), high6(k, 160), add(x, 256), low, high, pair, pairs)
		sum := add16(a, b, a1, b1).Sub(i32x16(e, 64))
		sc := i8x16(k, 192).PermuteOrZero(v.LoadInt8x16(&scales6)).ExtendToInt32().ConvertToFloat32()
		t := sum.ConvertToFloat32().Mul(f32x16(e, 0)).Mul(sc.Mul(v.BroadcastFloat32x16(half(u16(k, 208)))))
		if i&1 == 1 {
			t = last.ConcatPermute(t, v.LoadUint32x16(&pair6a)).Add(last.ConcatPermute(t, v.LoadUint32x16(&pair6b)))
			c = c.Add(t.GetLo()).Add(t.GetHi())
		}
		last = t
		k, x, e = add(k, 210), add(x, 512), add(e, 128)
	}
	if n&1 == 1 {
		var none v.Float32x16
		t := last.ConcatPermute(none, v.LoadUint32x16(&pair6a)).Add(last.ConcatPermute(none, v.LoadUint32x16(&pair6b)))
		c = c.Add(t.GetLo()).Add(t.GetHi())
	}
	putF8(acc, 0, c)
}

// high6 is 32 bytes of pairs of bits, and the same moved by a pair.
func high6(k at, o int) v.Int16x32 {
	h := i16x16(k, o)
	var z v.Int16x32
	return z.SetLo(h).SetHi(h.ShiftAllRight(2))
}

func half6(w, z v.Int16x32, x at, low, high, pair, pairs v.Int16x32) (a, b v.Int32x16) {
	up, down, u := z.ShiftAllLeft(4), z.ShiftAllRight(4), w.ShiftAllRight(8)
	a = w.And(low).Or(up.And(pair)).DotProductPairs(i16x32(x, 0)).Add(u.And(low).Or(down.And(pair)).DotProductPairs(i16x32(x, 128)))
	b = w.And(high).Or(up.And(pairs)).DotProductPairs(i16x32(x, 64)).Add(u.And(high).Or(down.And(pairs)).DotProductPairs(i16x32(x, 192)))
	return a, b
}

// half is quant.HalfToFloat.
func half(h uint16) float32 { return quant.HalfToFloat(h) }

// natural512 adds the terms of a row of a type with a half for each 32 weights to eight chains.
func natural512(t quant.Type, k at, in *Input, x, e, acc at, s *Scratch) {
	b, c := &s.tile.block, f32x8(acc, 0)
	p, q := v.LoadUint32x16(&pair0a), v.LoadUint32x16(&pair0b)
	for i, size := 0, bytesOf(t); i < in.blocks; i++ {
		var lo, hi v.Int32x16
		var d v.Float32x8
		switch left := in.Cols - i*wide; {
		case left < wide:
			b.small(t, k, left/32)
			w := at(&b.q)
			lo = add16(bytes512(w, 0, x, 0), bytes512(w, 32, x, 64), bytes512(w, 64, x, 128), bytes512(w, 96, x, 192))
			hi = add16(bytes512(w, 128, x, 256), bytes512(w, 160, x, 320), bytes512(w, 192, x, 384), bytes512(w, 224, x, 448))
			d = f32x8(at(&b.a), 0)
		case t == quant.Q8_0:
			lo = add16(bytes512(k, 2, x, 0), bytes512(k, 36, x, 64), bytes512(k, 70, x, 128), bytes512(k, 104, x, 192))
			hi = add16(bytes512(k, 138, x, 256), bytes512(k, 172, x, 320), bytes512(k, 206, x, 384), bytes512(k, 240, x, 448))
			d = scales8(k, 34)
		default:
			n := v.LoadInt8x32(&valuesQ4_0)
			if t == quant.IQ4_NL {
				n = v.LoadInt8x32(&valuesIQ4NL)
			}
			lo = add16(nibbles512(n, k, 2, x, 0), nibbles512(n, k, 20, x, 64), nibbles512(n, k, 38, x, 128), nibbles512(n, k, 56, x, 192))
			hi = add16(nibbles512(n, k, 74, x, 256), nibbles512(n, k, 92, x, 320), nibbles512(n, k, 110, x, 384), nibbles512(n, k, 128, x, 448))
			d = scales8(k, 18)
		}
		four := lo.ConcatPermute(hi, p).Add(lo.ConcatPermute(hi, q))
		sum := four.GetLo().Add(four.GetHi())
		c = c.Add(sum.ConvertToFloat32().Mul(f32x8(e, 0)).Mul(d))
		k, x, e = add(k, size), add(x, 512), add(e, 32)
	}
	putF8(acc, 0, c)
}

// bytes512 multiplies the 32 bytes at q+o by the 32 integers at x+xo.
func bytes512(q at, o int, x at, xo int) v.Int32x16 {
	return i8x32(q, o).ExtendToInt16().DotProductPairs(i16x32(x, xo))
}

// nibbles512 is bytes512 of the values of the 32 nibbles at k+o.
func nibbles512(values v.Int8x32, k at, o int, x at, xo int) v.Int32x16 {
	return values.PermuteOrZeroGrouped(nibbles(i8x16(k, o))).ExtendToInt16().DotProductPairs(i16x32(x, xo))
}
