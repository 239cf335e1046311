//go:build goexperiment.simd && amd64

package kernel

import (
	"math"
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

// magic, added to a number below 2^22, leaves the nearest integer in its low bits.
const magic = 0x1.8p23

// groups is what rounding finds out about the eight groups of a block.
type groups struct {
	scale [8]float32  // 2^e
	sum   [2][8]int32 // Σm of elements 0–15, 16–31
}

// round rounds x, (wide), to m in natural order.
func (g *groups) round(m, x at) {
	for i := range 8 {
		g.scale[i], g.sum[0][i], g.sum[1][i] = round32(m, x)
		m, x = add(m, 64), add(x, 128)
	}
}

// round32 rounds 32 elements, see numerics.RoundBlock.
func round32(m, x at) (scale float32, lo, hi int32) {
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
		return math.Float32frombits(0x7fc00000), 0, 0
	}
	inv := v.BroadcastFloat32x8(math.Float32frombits((267 - exp) << 23))
	big, bits := v.BroadcastFloat32x8(magic), v.BroadcastInt32x8(0x4b400000)
	i0, i1 := x0.Mul(inv).Add(big).AsInt32x8().Sub(bits), x1.Mul(inv).Add(big).AsInt32x8().Sub(bits)
	i2, i3 := x2.Mul(inv).Add(big).AsInt32x8().Sub(bits), x3.Mul(inv).Add(big).AsInt32x8().Sub(bits)
	order := v.LoadUint32x8(&packed)
	putW16(m, 0, i0.SaturateToInt16ConcatGrouped(i1).AsInt32x8().Permute(order).AsInt16x16())
	putW16(m, 32, i2.SaturateToInt16ConcatGrouped(i3).AsInt32x8().Permute(order).AsInt16x16())
	s := i0.Add(i1).AddPairsGrouped(i2.Add(i3))
	s = s.AddPairsGrouped(s)
	w := s.GetLo().Add(s.GetHi())
	return math.Float32frombits((exp - 13) << 23), w.GetElem(0), w.GetElem(1)
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
// step bytes apart, of eight lanes, the groups. Of each four elements of a group a step
// takes 0 and 2, the next 1 and 3.
func spreadTo(dst, m at, step int) {
	var mixed [wide]int16
	for o := 0; o < 2*wide; o += 32 {
		putW16(at(&mixed), o, i16x16(m, o).PermuteScalarsLoGrouped(0, 2, 1, 3).PermuteScalarsHiGrouped(0, 2, 1, 3))
	}
	for half := range 2 {
		transpose8(add(dst, half*8*step), step, at(&mixed[16*half]), 64)
	}
}

// roundVector is Round for a form whose tile has a number of blocks side by side, and
// whose Q6_K has its terms in an order.
func roundVector(in *Input, i int, x []float32, side int, o6 *order6) {
	var g groups
	var m [wide]int16
	var tail [wide]float32
	natural16 := at(&m)
	row, e := in.m, in.e
	if in.order != spread && in.order != floats {
		row, e = in.m[i*in.padded*wide:][:in.padded*wide], in.e[i*in.padded*32:][:in.padded*32]
	}
	blocks := in.blocks
	if in.order == spread {
		blocks = (blocks + side - 1) / side * side
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
			chained(in.f[(i*in.padded+b)*wide:][:wide], &m, &g)
		case natural:
			copy(row[b*wide:], m[:])
			g.terms(e[b*8:], e[(in.padded+b)*8:])
			g.halves(e[(2*in.padded+b)*8:], e[(3*in.padded+b)*8:])
		case k4:
			split(at(&row[b*wide]), natural16, &place4)
			g.terms(e[b*8:], e[(in.padded+b)*8:])
			for j := 1; j < 8; j += 2 {
				e[b*8+j] *= 1. / 16
			}
		case k6:
			split(at(&row[b*wide]), natural16, &place6)
			g.terms6(e[b*32:][:32], o6)
		case spread:
			beside, at := b%side, (b/side*in.N+i)*side
			e := in.e[at*16:][:side*16]
			g.terms(e[beside*8:], e[(side+beside)*8:])
			spreadTo(unsafe.Pointer(&in.m[at*wide+16*beside]), natural16, 32*side)
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

// chained writes m·2^e so that eight neighbours are one element of each chain: of 64
// elements, which are eight of each chain, the first of each, then the second …
func chained(dst []float32, m *[wide]int16, g *groups) {
	for k, q := range m {
		dst[k&^63+k&7*8+k>>3&7] = float32(float32(q) * g.scale[k/32])
	}
}

// terms writes 2^e and 2^e·Σm of the groups.
func (g *groups) terms(e, s []float32) {
	e, s = e[:8], s[:8]
	for j, scale := range g.scale {
		e[j], s[j] = scale, float32(scale*float32(g.sum[0][j]+g.sum[1][j]))
	}
}

// halves writes 2^e·Σm of elements 0–15 and 16–31 of the groups.
func (g *groups) halves(lo, hi []float32) {
	lo, hi = lo[:8], hi[:8]
	for j, scale := range g.scale {
		lo[j], hi[j] = float32(scale*float32(g.sum[0][j])), float32(scale*float32(g.sum[1][j]))
	}
}

// terms6 writes 2^e and, as integers, 32·Σm of the half groups, in the order of Q6_K.
func (g *groups) terms6(e []float32, o *order6) {
	for p, lane := range o.lane {
		scale, sum := g.scale[lane&7], 32*g.sum[lane>>3][lane&7]
		if o.high[p] {
			scale, sum = scale*(1./16), 16*sum
		}
		e[p], e[16+p] = scale, math.Float32frombits(uint32(sum))
	}
}
