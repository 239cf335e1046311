//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"

	"eclat/loader/quant"
)

var avx2 = Form{
	Name: "avx2", many: spread,
	Round:   func(in *Input, i int, x []float32) { roundVector(in, i, x, &order6of256) },
	Product: (&vectorKernels{rows: rows256, step: 32, lanes: 8, columns: twoByTwo(cols256)}).product,
	Norm:    normVector, SwiGLU: swiGLUVector, L2Norm: l2NormVector, Scale: scaleVector,
	Delta: deltaVector, Scan: scanVector,
	Queries: queriesVector, Scores: scores256, Weights: weightsVector, Mix: mix256,
}

// rows256 is rows512.
func rows256(t quant.Type, k at, n int, in *Input, acc at, s *Scratch) {
	size := bytesOf(t) // asked before there is anything in vectors, see doc.go
	for range n {
		switch t {
		case quant.Q4_K:
			k = q4k256(k, in, acc, &s.tile.block)
		case quant.Q5_K:
			k = q5k256(k, in, acc, &s.tile.block)
		case quant.Q6_K:
			k = q6k256(k, in, acc)
		default:
			natural256(t, size, k, in, acc, s)
			k = add(k, in.Cols/32*(size/8))
		}
		acc = add(acc, 32)
	}
}

// q4k256 is qk512, of one row, whose end it gives, a block at a time.
func q4k256(k at, in *Input, acc at, o *block) at {
	low, high := v.BroadcastInt16x16(15), v.BroadcastInt16x16(0xf0)
	for j := range in.blocks {
		o.groupsK(k)
		for i := range in.N {
			x, e, to := at(&in.m[(i*in.padded+j)*wide]), at(&in.e[i*in.padded*32+j*8]), add(acc, i*tileRows*32)
			a, b := pair256(k, 16, x, 0, low, high)
			a1, b1 := pair256(k, 48, x, 32, low, high)
			p := add8(a, b, a1, b1)
			a, b = pair256(k, 80, x, 256, low, high)
			a1, b1 = pair256(k, 112, x, 288, low, high)
			addK256(to, p, add8(a, b, a1, b1), e, add(e, 32*in.padded), o)
		}
		k = add(k, 144)
	}
	return k
}

// addK256 adds the terms of a block to eight chains.
func addK256(to at, p, q v.Int32x8, e, sums at, o *block) {
	sum := p.Select128FromPair(0, 2, q).Add(p.Select128FromPair(1, 3, q))
	t := sum.ConvertToFloat32().Mul(f32x8(e, 0)).Mul(f32x8(at(&o.a), 0)).Sub(f32x8(at(&o.b), 0).Mul(f32x8(sums, 0)))
	putF8(to, 0, f32x8(to, 0).Add(t))
}

// pair256 sums two groups that share 32 bytes; the second comes 16 times too large.
func pair256(k at, ko int, x at, xo int, low, high v.Int16x16) (a, b v.Int32x8) {
	w := i16x16(k, ko)
	u := w.ShiftAllRight(8)
	a = w.And(low).DotProductPairs(i16x16(x, xo)).Add(u.And(low).DotProductPairs(i16x16(x, xo+128)))
	b = w.And(high).DotProductPairs(i16x16(x, xo+64)).Add(u.And(high).DotProductPairs(i16x16(x, xo+192)))
	return a, b
}

// q5k256 is q4k256 of Q5_K.
func q5k256(k at, in *Input, acc at, o *block) at {
	for j := range in.blocks {
		o.groupsK(k)
		z := i16x16(k, 16)
		for i := range in.N {
			x, e, to := at(&in.m[(i*in.padded+j)*wide]), at(&in.e[i*in.padded*32+j*8]), add(acc, i*tileRows*32)
			a, b := pair5(k, 48, z, x, 0)
			a1, b1 := pair5(k, 80, z.ShiftAllRight(2), x, 32)
			p := add8(a, b, a1, b1)
			a, b = pair5(k, 112, z.ShiftAllRight(4), x, 256)
			a1, b1 = pair5(k, 144, z.ShiftAllRight(6), x, 288)
			addK256(to, p, add8(a, b, a1, b1), e, add(e, 32*in.padded), o)
		}
		k = add(k, 176)
	}
	return k
}

// pair5 is half5 of two groups that share 32 bytes.
func pair5(k at, ko int, z v.Int16x16, x at, xo int) (a, b v.Int32x8) {
	low, high, bit, bits := v.BroadcastInt16x16(15), v.BroadcastInt16x16(0xf0), v.BroadcastInt16x16(0x10), v.BroadcastInt16x16(0x100)
	w := i16x16(k, ko)
	u := w.ShiftAllRight(8)
	a = w.And(low).Or(z.ShiftAllLeft(4).And(bit)).DotProductPairs(i16x16(x, xo)).Add(u.And(low).Or(z.ShiftAllRight(4).And(bit)).DotProductPairs(i16x16(x, xo+128)))
	b = w.And(high).Or(z.ShiftAllLeft(7).And(bits)).DotProductPairs(i16x16(x, xo+64)).Add(u.And(high).Or(z.ShiftAllRight(1).And(bits)).DotProductPairs(i16x16(x, xo+192)))
	return a, b
}

// q6k256 is q6k512, of one row, whose end it gives, a block at a time.
func q6k256(k at, in *Input, acc at) at {
	for j := range in.blocks {
		d := v.BroadcastFloat32x8(half(u16(k, 208)))
		sc := i8x16(k, 192).PermuteOrZero(v.LoadInt8x16(&scales6of256))
		s0 := sc.ExtendLo8ToInt32().ConvertToFloat32().Mul(d)
		s1 := sc.AsInt64x2().InterleaveHi(sc.AsInt64x2()).AsInt8x16().ExtendLo8ToInt32().ConvertToFloat32().Mul(d)
		for i := range in.N {
			x, e, to := at(&in.m[(i*in.padded+j)*wide]), at(&in.e[(i*in.padded+j)*32]), add(acc, i*tileRows*32)
			p := sums6(k, add(k, 128), x).Sub(i32x8(e, 64)).ConvertToFloat32().Mul(f32x8(e, 0)).Mul(s0)
			q := sums6(add(k, 64), add(k, 160), add(x, 256)).Sub(i32x8(e, 96)).ConvertToFloat32().Mul(f32x8(e, 32)).Mul(s1)
			putF8(to, 0, f32x8(to, 0).Add(p.Select128FromPair(0, 2, q).Add(p.Select128FromPair(1, 3, q))))
		}
		k = add(k, 210)
	}
	return k
}

// scales6of256 puts the scales in the order of the sums: of a half of the block, the first
// halves of its groups 0–3, then the second ones.
var scales6of256 = [16]int8{0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15}

// sums6 sums the four groups of half a block, low bits at k and high ones at h.
func sums6(k, h, x at) v.Int32x8 {
	z := i16x16(h, 0)
	a, c := pair6(i16x16(k, 0), z.ShiftAllLeft(4), z.ShiftAllRight(4), x, 0)
	b, d := pair6(i16x16(k, 32), z.ShiftAllLeft(2), z.ShiftAllRight(6), x, 32)
	return add8(a, b, c, d)
}

func pair6(w, up, down v.Int16x16, x at, o int) (a, b v.Int32x8) {
	low, high, pair, pairs := v.BroadcastInt16x16(15), v.BroadcastInt16x16(0xf0), v.BroadcastInt16x16(0x30), v.BroadcastInt16x16(0x300)
	u := w.ShiftAllRight(8)
	a = w.And(low).Or(up.And(pair)).DotProductPairs(i16x16(x, o)).Add(u.And(low).Or(down.And(pair)).DotProductPairs(i16x16(x, o+128)))
	b = w.And(high).Or(up.And(pairs)).DotProductPairs(i16x16(x, o+64)).Add(u.And(high).Or(down.And(pairs)).DotProductPairs(i16x16(x, o+192)))
	return a, b
}

// natural256 is natural512, of one row.
func natural256(t quant.Type, size int, k at, in *Input, acc at, s *Scratch) {
	b, n := &s.tile.block, v.LoadInt8x32(&valuesQ4_0)
	if t == quant.IQ4_NL {
		n = v.LoadInt8x32(&valuesIQ4NL)
	}
	for j := range in.blocks {
		left, d := in.Cols-j*wide, at(&b.a)
		switch {
		case left < wide:
			b.small(t, k, left/32)
		case t == quant.Q8_0:
			putF8(d, 0, scales8(k, 34))
		default:
			putF8(d, 0, scales8(k, 18))
		}
		for i := range in.N {
			x, e, to := at(&in.m[(i*in.padded+j)*wide]), at(&in.e[i*in.padded*32+j*8]), add(acc, i*tileRows*32)
			var p, q v.Int32x8
			switch {
			case left < wide:
				w := at(&b.q)
				p = add8(bytes256(w, 0, x, 0), bytes256(w, 32, x, 64), bytes256(w, 64, x, 128), bytes256(w, 96, x, 192))
				q = add8(bytes256(w, 128, x, 256), bytes256(w, 160, x, 320), bytes256(w, 192, x, 384), bytes256(w, 224, x, 448))
			case t == quant.Q8_0:
				p = add8(bytes256(k, 2, x, 0), bytes256(k, 36, x, 64), bytes256(k, 70, x, 128), bytes256(k, 104, x, 192))
				q = add8(bytes256(k, 138, x, 256), bytes256(k, 172, x, 320), bytes256(k, 206, x, 384), bytes256(k, 240, x, 448))
			default:
				p = add8(nibbles256(n, k, 2, x, 0), nibbles256(n, k, 20, x, 64), nibbles256(n, k, 38, x, 128), nibbles256(n, k, 56, x, 192))
				q = add8(nibbles256(n, k, 74, x, 256), nibbles256(n, k, 92, x, 320), nibbles256(n, k, 110, x, 384), nibbles256(n, k, 128, x, 448))
			}
			sum := p.Select128FromPair(0, 2, q).Add(p.Select128FromPair(1, 3, q))
			putF8(to, 0, f32x8(to, 0).Add(sum.ConvertToFloat32().Mul(f32x8(e, 0)).Mul(f32x8(d, 0))))
		}
		k = add(k, size)
	}
}

// bytes256 is bytes512.
func bytes256(q at, o int, x at, xo int) v.Int32x8 {
	a := i8x16(q, o).ExtendToInt16().DotProductPairs(i16x16(x, xo))
	return a.Add(i8x16(q, o+16).ExtendToInt16().DotProductPairs(i16x16(x, xo+32)))
}

// nibbles256 is nibbles512.
func nibbles256(values v.Int8x32, k at, o int, x at, xo int) v.Int32x8 {
	q := values.PermuteOrZeroGrouped(nibbles(i8x16(k, o)))
	a := q.GetLo().ExtendToInt16().DotProductPairs(i16x16(x, xo))
	return a.Add(q.GetHi().ExtendToInt16().DotProductPairs(i16x16(x, xo+32)))
}
