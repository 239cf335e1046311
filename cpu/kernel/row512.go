//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"

	"eclat/loader/quant"
)

var avx512 = Form{
	Name: "avx512", many: twoBlocks,
	Round:   func(in *Input, i int, x []float32) { roundVector(in, i, x, &order6of512) },
	Product: (&vectorKernels{rows: rows512, step: 64, lanes: 16, columns: twoByTwo(cols512)}).product,
	Norm:    normVector, SwiGLU: swiGLUVector, L2Norm: l2NormVector, Scale: scaleVector,
	Delta: deltaVector, Scan: scanVector,
	Queries: queriesVector, Scores: scores512, Weights: weightsVector, Mix: mix512,
}

// rows512 adds the terms of n rows of weights at k, and of all rows of the input, to their
// chains. Where headers are worth sharing, or integers, a kernel takes all rows together; a
// long row of Q4_K, or of Q6_K with one row of the input, is faster from end to end.
func rows512(t quant.Type, k at, n int, in *Input, acc at, s *Scratch) {
	size := in.blocks * bytesOf(t) // of a row; asked before there is anything in vectors, see doc.go
	switch {
	case t == quant.Q4_K && in.blocks >= 4, t == quant.Q6_K && in.N == 1:
		for r := range n {
			for i := range in.N {
				row512(t, k, in, i, add(acc, (i*tileRows+r)*32), s.tile)
			}
			k = add(k, size)
		}
	case t == quant.Q4_K, t == quant.Q5_K:
		qk512(t == quant.Q5_K, k, n, in, acc, s.tile)
	case t == quant.Q6_K:
		q6kMany512(k, n, in, acc, s.tile)
	default:
		natural512(t, k, n, in, acc, s.tile)
	}
}

// row512 adds the terms of a row of weights at k and row i of the input to eight chains.
func row512(t quant.Type, k at, in *Input, i int, acc at, tile *tile) {
	m, e := at(&in.m[i*in.padded*wide]), at(&in.e[i*in.padded*32])
	if t == quant.Q4_K {
		q4k512(k, in.blocks, m, e, add(e, 32*in.padded), acc, at(&tile.heads), at(&tile.ab))
	} else {
		q6k512(k, in.blocks, m, e, acc)
	}
}

// walk goes through the blocks of rows of weights as they lie, from row to row.
type walk struct{ blocks, b, to int }

// spot is where a block of weights meets a row of the input: its number in the row, and how
// many bytes the chains of its row of weights lie from those of the first.
type spot struct{ b, to int }

// next gives the spots of the next blocks.
func (w *walk) next(spots []spot) {
	for i := range spots {
		spots[i] = spot{w.b, w.to}
		if w.b++; w.b == w.blocks {
			w.b, w.to = 0, w.to+32
		}
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

// unpacked4 writes the integers of a block of Q4_K, of odd groups 16 times as large, to w,
// each where the input has the one that it meets.
func unpacked4(w, k at, low, high v.Int16x32) {
	for range 2 {
		even := i16x32(k, 16)
		odd := even.ShiftAllRight(8)
		putW32(w, 0, even.And(low))
		putW32(w, 64, even.And(high))
		putW32(w, 128, odd.And(low))
		putW32(w, 192, odd.And(high))
		k, w = add(k, 64), add(w, 256)
	}
}

// sums8 gives the integer sums of an unpacked block, as sums4 does.
func sums8(w, x at) v.Int32x16 {
	a := i16x32(w, 0).DotProductPairs(i16x32(x, 0)).Add(i16x32(w, 128).DotProductPairs(i16x32(x, 128)))
	b := i16x32(w, 64).DotProductPairs(i16x32(x, 64)).Add(i16x32(w, 192).DotProductPairs(i16x32(x, 192)))
	c := i16x32(w, 256).DotProductPairs(i16x32(x, 256)).Add(i16x32(w, 384).DotProductPairs(i16x32(x, 384)))
	d := i16x32(w, 320).DotProductPairs(i16x32(x, 320)).Add(i16x32(w, 448).DotProductPairs(i16x32(x, 448)))
	return add16(a, b, c, d)
}

// two is a vector of eight floats at p and eight at q.
func two(p, q at) v.Float32x16 {
	var z v.Float32x16
	return z.SetLo(f32x8(p, 0)).SetHi(f32x8(q, 0))
}

// addTwo adds eight terms to chains at p, then eight to chains at q, which may be the same.
func addTwo(t v.Float32x16, p, q at) {
	putF8(p, 0, f32x8(p, 0).Add(t.GetLo()))
	putF8(q, 0, f32x8(q, 0).Add(t.GetHi()))
}

// qk512 is q4k512, or the same of Q5_K, of n rows of weights and all rows of the input. Of
// the input's exponents the first eight floats of a block are 2^e, in odd groups a sixteenth
// of it; 2^e·Σm lie behind those of the row. Headers are read four at a time, from row to
// row, and serve all rows of the input; where there are several, so do the integers.
func qk512(five bool, k at, n int, in *Input, acc at, t *tile) {
	low, high := v.BroadcastInt16x32(15), v.BroadcastInt16x32(0xf0)
	p, q := v.LoadUint32x16(&pair4a), v.LoadUint32x16(&pair4b)
	size, tmp := 144, at(&t.ab)
	if five {
		size = 176
	}
	several, way := in.N > 1, walk{blocks: in.blocks}
	var spots [4]spot
	for left := n * in.blocks; left > 0; left -= 4 {
		count := min(left, 4)
		if count < 4 {
			lastHeaders(k, size, count, at(&t.heads), tmp)
		} else {
			headers4(k, size, tmp)
		}
		way.next(spots[:count])
		for j := 0; several && j < count; j++ {
			if five {
				unpacked5(at(&t.w[512*j]), add(k, size*j))
			} else {
				unpacked4(at(&t.w[512*j]), add(k, size*j), low, high)
			}
		}
		for i := range in.N {
			m, e, to := at(&in.m[i*in.padded*wide]), at(&in.e[i*in.padded*32]), add(acc, i*tileRows*32)
			sums := add(e, 32*in.padded)
			for j := 0; j < count; j += 2 {
				first, second := spots[j], spots[j+1]
				last := j+1 == count
				if last {
					second = first
				}
				var a, b v.Int32x16
				x, y := add(m, 512*first.b), add(m, 512*second.b)
				switch {
				case several:
					a = sums8(at(&t.w[512*j]), x)
					b = sums8(at(&t.w[512*j+512]), y)
				case five:
					a = sums5(add(k, size*j), x)
					if !last {
						b = sums5(add(k, size*j+size), y)
					}
				default:
					a = sums4(add(k, size*j), x, low, high)
					if !last {
						b = sums4(add(k, size*j+size), y, low, high)
					}
				}
				sum := a.ConcatPermute(b, p).Add(a.ConcatPermute(b, q))
				term := sum.ConvertToFloat32().Mul(two(add(e, 32*first.b), add(e, 32*second.b))).Mul(f32x16(tmp, 64*j))
				term = term.Sub(f32x16(tmp, 64*j+64).Mul(two(add(sums, 32*first.b), add(sums, 32*second.b))))
				if last {
					putF8(to, first.to, f32x8(to, first.to).Add(term.GetLo()))
				} else {
					addTwo(term, add(to, first.to), add(to, second.to))
				}
			}
		}
		k = add(k, 4*size)
	}
}

// unpacked5 is unpacked4 of Q5_K.
func unpacked5(w, k at) {
	low, high, bit, bits := v.BroadcastInt16x32(15), v.BroadcastInt16x32(0xf0), v.BroadcastInt16x32(0x10), v.BroadcastInt16x32(0x100)
	z := high6(k, 16)
	for range 2 {
		even := i16x32(k, 48)
		odd := even.ShiftAllRight(8)
		putW32(w, 0, even.And(low).Or(z.ShiftAllLeft(4).And(bit)))
		putW32(w, 64, even.And(high).Or(z.ShiftAllLeft(7).And(bits)))
		putW32(w, 128, odd.And(low).Or(z.ShiftAllRight(4).And(bit)))
		putW32(w, 192, odd.And(high).Or(z.ShiftAllRight(1).And(bits)))
		k, w, z = add(k, 64), add(w, 256), z.ShiftAllRight(4)
	}
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

// q6kMany512 is q6k512 of n rows of weights and the rows of the input, of which there are
// several: scales and integers serve all of them.
func q6kMany512(k at, n int, in *Input, acc at, t *tile) {
	low, high, pair, pairs := v.BroadcastInt16x32(15), v.BroadcastInt16x32(0xf0), v.BroadcastInt16x32(0x30), v.BroadcastInt16x32(0x300)
	p, q := v.LoadUint32x16(&pair6a), v.LoadUint32x16(&pair6b)
	way := walk{blocks: in.blocks}
	var spots [2]spot
	for left := n * in.blocks; left > 0; left -= 2 {
		count := min(left, 2)
		way.next(spots[:count])
		for j := range count {
			block := add(k, 210*j)
			sc := i8x16(block, 192).PermuteOrZero(v.LoadInt8x16(&scales6)).ExtendToInt32().ConvertToFloat32()
			putF16(at(&t.ab), 64*j, sc.Mul(v.BroadcastFloat32x16(half(u16(block, 208)))))
			unpacked6(at(&t.w[512*j]), block, low, high, pair, pairs)
		}
		for i := range in.N {
			m, e, to := at(&in.m[i*in.padded*wide]), at(&in.e[i*in.padded*32]), add(acc, i*tileRows*32)
			var terms [2]v.Float32x16
			for j := range count {
				x, e := add(m, 512*spots[j].b), add(e, 128*spots[j].b)
				sum := sums8(at(&t.w[512*j]), x)
				terms[j] = sum.Sub(i32x16(e, 64)).ConvertToFloat32().Mul(f32x16(e, 0)).Mul(f32x16(at(&t.ab), 64*j))
			}
			term := terms[0].ConcatPermute(terms[1], p).Add(terms[0].ConcatPermute(terms[1], q))
			if count == 1 {
				putF8(to, spots[0].to, f32x8(to, spots[0].to).Add(term.GetLo()))
			} else {
				addTwo(term, add(to, spots[0].to), add(to, spots[1].to))
			}
		}
		k = add(k, 420)
	}
}

// unpacked6 is unpacked4 of Q6_K.
func unpacked6(w, k at, low, high, pair, pairs v.Int16x32) {
	for o := 0; o < 128; o += 64 {
		even, z := i16x32(k, o), high6(k, 128+o/2)
		up, down, odd := z.ShiftAllLeft(4), z.ShiftAllRight(4), even.ShiftAllRight(8)
		putW32(w, 0, even.And(low).Or(up.And(pair)))
		putW32(w, 64, even.And(high).Or(up.And(pairs)))
		putW32(w, 128, odd.And(low).Or(down.And(pair)))
		putW32(w, 192, odd.And(high).Or(down.And(pairs)))
		w = add(w, 256)
	}
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

// natural512 is rows512 of a type with a half for each 32 weights.
func natural512(ty quant.Type, k at, n int, in *Input, acc at, t *tile) {
	b, size := &t.block, bytesOf(ty)
	p, q := v.LoadUint32x16(&pair0a), v.LoadUint32x16(&pair0b)
	values := v.LoadInt8x32(&valuesQ4_0)
	if ty == quant.IQ4_NL {
		values = v.LoadInt8x32(&valuesIQ4NL)
	}
	rowBytes := in.Cols / 32 * (size / 8)
	for range n {
		row := k
		for o := range in.blocks {
			left, d := in.Cols-o*wide, at(&b.a)
			switch {
			case left < wide:
				b.small(ty, row, left/32)
			case ty == quant.Q8_0:
				putF8(d, 0, scales8(row, 34))
			default:
				putF8(d, 0, scales8(row, 18))
			}
			for i := range in.N {
				first := i * in.padded
				x, e, to := at(&in.m[(first+o)*wide]), at(&in.e[first*32+o*8]), add(acc, i*tileRows*32)
				var lo, hi v.Int32x16
				switch {
				case left < wide:
					w := at(&b.q)
					lo = add16(bytes512(w, 0, x, 0), bytes512(w, 32, x, 64), bytes512(w, 64, x, 128), bytes512(w, 96, x, 192))
					hi = add16(bytes512(w, 128, x, 256), bytes512(w, 160, x, 320), bytes512(w, 192, x, 384), bytes512(w, 224, x, 448))
				case ty == quant.Q8_0:
					lo = add16(bytes512(row, 2, x, 0), bytes512(row, 36, x, 64), bytes512(row, 70, x, 128), bytes512(row, 104, x, 192))
					hi = add16(bytes512(row, 138, x, 256), bytes512(row, 172, x, 320), bytes512(row, 206, x, 384), bytes512(row, 240, x, 448))
				default:
					lo = add16(nibbles512(values, row, 2, x, 0), nibbles512(values, row, 20, x, 64), nibbles512(values, row, 38, x, 128), nibbles512(values, row, 56, x, 192))
					hi = add16(nibbles512(values, row, 74, x, 256), nibbles512(values, row, 92, x, 320), nibbles512(values, row, 110, x, 384), nibbles512(values, row, 128, x, 448))
				}
				four := lo.ConcatPermute(hi, p).Add(lo.ConcatPermute(hi, q))
				sum := four.GetLo().Add(four.GetHi())
				putF8(to, 0, f32x8(to, 0).Add(sum.ConvertToFloat32().Mul(f32x8(e, 0)).Mul(f32x8(d, 0))))
			}
			row = add(row, size)
		}
		k, acc = add(k, rowBytes), add(acc, 32)
	}
}

// bytes512 multiplies the 32 bytes at q+o by the 32 integers at x+xo.
func bytes512(q at, o int, x at, xo int) v.Int32x16 {
	return i8x32(q, o).ExtendToInt16().DotProductPairs(i16x32(x, xo))
}

// nibbles512 is bytes512 of the values of the 32 nibbles at k+o.
func nibbles512(values v.Int8x32, k at, o int, x at, xo int) v.Int32x16 {
	return values.PermuteOrZeroGrouped(nibbles(i8x16(k, o))).ExtendToInt16().DotProductPairs(i16x32(x, xo))
}
