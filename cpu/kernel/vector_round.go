//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"
	"unsafe"
)

// In the orders k4 and k6 the even elements of a group of 32 lie apart from the odd
// ones, because a weight's bytes are taken as 16-bit words: the low byte of a word is an
// even element, the high byte an odd one. Of a block of wide elements, 512 bytes, group
// g has its even elements at place[g][0] and the odd ones at place[g][1]: groups that
// lie in the same 64 bytes of weights, in the same nibble, are neighbours.
var place4, place6 = func() (a, b [8][2]int) {
	for g := range 8 {
		h, r := g/4, g%4
		for odd := range 2 {
			a[g][odd] = 256*h + 128*odd + 64*(r&1) + 32*(r>>1)
			b[g][odd] = 256*h + 128*odd + 64*(r>>1) + 32*(r&1)
		}
	}
	return
}()

// A row of Q6_K has its 16 terms of a block in another order than natural, which
// follows from how its sums are folded: position p has half h of group g, lane6[p] =
// 8h + g. Where high6[p] the integers come 16 times too large.
type order6 struct {
	lane [16]int
	high [16]bool
}

var order6of512 = func() (o order6) {
	for p := range 16 {
		l, i := p/4, p%4
		o.lane[p], o.high[p] = 8*(l&1)+2*i+l>>1, i&1 == 1
	}
	return
}()

var order6of256 = func() (o order6) {
	for p := range 16 {
		o.lane[p], o.high[p] = 8*(p/4&1)+4*(p/8)+p&3, p&3 >= 2
	}
	return
}()

// packed puts the qwords of a pack of two vectors in order.
var packed = [8]uint32{0, 1, 4, 5, 2, 3, 6, 7}

// magic is the bits of 1.5·2^23, which, added to a number below 2^22, leaves the nearest
// integer in its low bits.
const magic = 0x4b400000

// groups is what rounding finds out about the eight groups of a block. Kernels keep clear of
// numbers outside vectors: the compiler gives those instructions of an older kind, and some
// processors take a hundred cycles to go from one kind to the other and back.
type groups struct {
	scale [8]uint32   // bits of 2^e
	sum   [2][8]int32 // Σm of elements 0–15, 16–31
}

// round rounds x, (wide), to m in natural order.
func (g *groups) round(m, x at) {
	for i := range 8 {
		g.scale[i], g.sum[0][i], g.sum[1][i] = round32(m, x)
		m, x = add(m, 64), add(x, 128)
	}
}

// quietNaN is the scale of a group with a number that is not finite.
const quietNaN = 0x7fc00000

// round32 rounds 32 elements, see numerics.RoundBlock; scale is the bits of 2^e.
func round32(m, x at) (scale uint32, lo, hi int32) {
	mask := v.BroadcastInt32x8(0x7fffffff)
	x0, x1, x2, x3 := f32x8(x, 0), f32x8(x, 32), f32x8(x, 64), f32x8(x, 96)
	t := x0.AsInt32x8().And(mask).Max(x1.AsInt32x8().And(mask)).Max(x2.AsInt32x8().And(mask)).Max(x3.AsInt32x8().And(mask))
	u := t.GetLo().Max(t.GetHi())
	u = u.Max(u.PermuteScalars(2, 3, 0, 1))
	u = u.Max(u.PermuteScalars(1, 0, 3, 2))
	exp := max(uint32(u.GetElem(0))>>23, 127+13-60)
	if exp == 255 {
		var zero v.Int16x16
		putW16(m, 0, zero)
		putW16(m, 32, zero)
		return quietNaN, 0, 0
	}
	inv := v.BroadcastInt32x8(int32(267-exp) << 23).AsFloat32x8()
	bits := v.BroadcastInt32x8(magic)
	big := bits.AsFloat32x8()
	i0, i1 := x0.Mul(inv).Add(big).AsInt32x8().Sub(bits), x1.Mul(inv).Add(big).AsInt32x8().Sub(bits)
	i2, i3 := x2.Mul(inv).Add(big).AsInt32x8().Sub(bits), x3.Mul(inv).Add(big).AsInt32x8().Sub(bits)
	order := v.LoadUint32x8(&packed)
	putW16(m, 0, i0.SaturateToInt16ConcatGrouped(i1).AsInt32x8().Permute(order).AsInt16x16())
	putW16(m, 32, i2.SaturateToInt16ConcatGrouped(i3).AsInt32x8().Permute(order).AsInt16x16())
	s := i0.Add(i1).AddPairsGrouped(i2.Add(i3))
	s = s.AddPairsGrouped(s)
	w := s.GetLo().Add(s.GetHi())
	return (exp - 13) << 23, w.GetElem(0), w.GetElem(1)
}

// split writes the natural integers at m, (wide), as place has them.
func split(dst, m at, place *[8][2]int) {
	order := v.LoadUint32x8(&packed)
	for g := range place {
		a, b := i32x8(m, 64*g), i32x8(m, 64*g+32)
		even := a.ShiftAllLeft(16).ShiftAllRight(16).SaturateToInt16ConcatGrouped(b.ShiftAllLeft(16).ShiftAllRight(16))
		odd := a.ShiftAllRight(16).SaturateToInt16ConcatGrouped(b.ShiftAllRight(16))
		putI8(dst, place[g][0], even.AsInt32x8().Permute(order))
		putI8(dst, place[g][1], odd.AsInt32x8().Permute(order))
	}
}

// spreadTo writes the natural integers at m, (wide), in the order of a tile: 16 steps,
// step bytes apart, of eight lanes, the groups. A step takes two elements of each group, of
// each eight elements 0 and 2, then 4 and 6, 1 and 3, 5 and 7: the even bytes of two dwords
// of weights and then the odd ones. m is left with them in this order.
func spreadTo(dst, m at, step int) {
	order := v.LoadInt8x32(&steps)
	for o := 0; o < 2*wide; o += 32 {
		putW16(m, o, i16x16(m, o).AsInt8x32().PermuteOrZeroGrouped(order).AsInt16x16())
	}
	transpose8(dst, step, m, 64)
	transpose8(add(dst, 8*step), step, add(m, 32), 64)
}

// steps is the order of spreadTo, in bytes.
var steps = func() (a [32]int8) {
	for i := range a {
		a[i] = []int8{0, 2, 4, 6, 1, 3, 5, 7}[i%16/2]*2 + int8(i%2)
	}
	return
}()

// roundVector is Round for a form whose Q6_K has its terms in an order.
func roundVector(in *Input, i int, x []float32, o6 *order6) {
	var g groups
	var m [wide]int16
	var tail [wide]float32
	natural16 := at(&m)
	row, e := in.m, in.e
	if in.order == natural || in.order == k4 || in.order == k6 {
		row, e = in.m[i*in.padded*wide:][:in.padded*wide], in.e[i*in.padded*32:][:in.padded*32]
	}
	blocks := in.blocks
	if in.order == twoBlocks {
		blocks = upTo(blocks, 2)
	}
	for b := range blocks {
		src := at(&tail)
		if rest := x[min(b*wide, len(x)):]; len(rest) >= wide {
			src = at(unsafe.SliceData(rest))
		} else {
			clear(tail[copy(tail[:], rest):])
		}
		g.round(natural16, src)
		switch in.order {
		case floats:
			chained(at(&in.f[(i*in.padded+b)*wide]), natural16, &g, at(&tail))
		case natural:
			for o := 0; o < 2*wide; o += 32 {
				putW16(at(&row[b*wide]), o, i16x16(natural16, o))
			}
			g.terms(e[b*8:], e[(in.padded+b)*8:], &once)
			g.halves(e[(2*in.padded+b)*8:], e[(3*in.padded+b)*8:])
		case k4:
			split(at(&row[b*wide]), natural16, &place4)
			g.terms(e[b*8:], e[(in.padded+b)*8:], &sixteenths)
		case k6:
			split(at(&row[b*wide]), natural16, &place6)
			g.terms6(e[b*32:][:32], o6)
		default:
			first, beside, side := in.place(i, b)
			e := in.e[first*16:][:side*16]
			g.terms(e[beside*8:], e[(side+beside)*8:], &once)
			spreadTo(at(&in.m[first*wide+16*beside]), natural16, 32*side)
			if in.order == twoRows && i+1 == in.N && beside == 0 { // or what is there might be denormal
				clear(e[8:16])
				clear(e[24:])
			}
		}
	}
	v.ClearAVXUpperBits()
	switch n := in.blocks; in.order {
	case natural, k4:
		clear(row[n*wide:])
		clear(e[n*8 : in.padded*8])
		clear(e[(in.padded+n)*8 : 2*in.padded*8])
	case k6:
		clear(row[n*wide:])
		clear(e[n*32:])
	}
}

// chained writes m·2^e, (wide), so that eight neighbours are one element of each chain: of
// 64 elements, which are eight of each chain, the first of each, then the second … x has
// room for 64.
func chained(dst, m at, g *groups, x at) {
	for i := 0; i < 8; i += 2 {
		for o := range 8 {
			scale := v.BroadcastInt32x8(int32(g.scale[i+o/4])).AsFloat32x8()
			putF8(x, 32*o, i16x8(m, 16*o).ExtendToInt32().ConvertToFloat32().Mul(scale))
		}
		transpose8(dst, 32, x, 32)
		dst, m = add(dst, 256), add(m, 128)
	}
}

// once and sixteenths are what terms takes of 2^e: all of it, or where the integers of odd
// groups come 16 times too large less of theirs.
var (
	once       = [8]float32{1, 1, 1, 1, 1, 1, 1, 1}
	sixteenths = [8]float32{1, 1. / 16, 1, 1. / 16, 1, 1. / 16, 1, 1. / 16}
)

// terms writes a part of 2^e, and 2^e·Σm, of the groups.
func (g *groups) terms(e, s []float32, part *[8]float32) {
	scale := f32x8(at(&g.scale), 0)
	scale.Mul(v.LoadFloat32x8(part)).Store((*[8]float32)(e))
	sum := i32x8(at(&g.sum[0]), 0).Add(i32x8(at(&g.sum[1]), 0))
	scale.Mul(sum.ConvertToFloat32()).Store((*[8]float32)(s))
}

// halves writes 2^e·Σm of elements 0–15 and 16–31 of the groups.
func (g *groups) halves(lo, hi []float32) {
	scale := f32x8(at(&g.scale), 0)
	scale.Mul(i32x8(at(&g.sum[0]), 0).ConvertToFloat32()).Store((*[8]float32)(lo))
	scale.Mul(i32x8(at(&g.sum[1]), 0).ConvertToFloat32()).Store((*[8]float32)(hi))
}

// terms6 writes 2^e and, as integers, 32·Σm of the half groups, in the order of Q6_K.
func (g *groups) terms6(e []float32, o *order6) {
	out := unsafe.Slice((*uint32)(at(unsafe.SliceData(e))), 32)
	for p, lane := range o.lane {
		scale, sum := g.scale[lane&7], 32*g.sum[lane>>3][lane&7]
		if o.high[p] {
			sum *= 16
			if scale != quietNaN {
				scale -= 4 << 23 // a sixteenth
			}
		}
		out[p], out[16+p] = scale, uint32(sum)
	}
}
