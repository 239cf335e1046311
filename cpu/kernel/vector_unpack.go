//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"

	"eclat/loader/quant"
)

// block is wide weights of a row, whatever their type: the integers in natural order,
// and of each group of 32 the two factors of its term.
//
//	element j = a[j/32]·q[j] − b[j/32], or with halves a·q − m0 in the first 16 of a group, b·q − m1 in the others
//
// m0 and m1 are of no meaning for other types.
type block struct {
	q            [wide]int8
	a, b, m0, m1 [8]float32
	ints         quant.Ints // of any
	scales, mins [8]uint16  // of small, as halves
}

// unpack reads wide weights of type t, or the n < wide that are left of a row, from k.
func (o *block) unpack(t quant.Type, k at, n int) {
	switch t {
	case quant.Q4_K:
		o.q4k(k)
	case quant.Q5_K:
		o.q5k(k)
	case quant.Q6_K:
		o.q6k(k)
	case quant.Q8_0, quant.Q4_0, quant.IQ4_NL, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.MXFP4:
		o.small(t, k, n/32)
	case quant.IQ4_XS:
		o.iq4xs(k)
	case quant.Q2_K:
		o.q2k(k)
	case quant.Q3_K:
		o.q3k(k)
	case quant.TQ2_0:
		o.tq2(k)
	default:
		o.any(t, k, n)
	}
}

// bytesOf is the size of wide weights of type t.
func bytesOf(t quant.Type) int {
	elems, bytes := t.Block()
	return wide / elems * bytes
}

// small reads n groups of 32 of a type with a block for each; what is left is zero.
func (o *block) small(t quant.Type, k at, n int) {
	q, powers, mins := at(&o.q), (*[8]uint32)(at(&o.a)), false
	for g := range n {
		o.scales[g] = u16(k, 0)
		switch t {
		case quant.Q8_0:
			putB32(q, 0, i8x32(k, 2))
			k = add(k, 34)
		case quant.Q4_0:
			putB32(q, 0, nibbles(i8x16(k, 2)).Sub(v.BroadcastInt8x32(8)))
			k = add(k, 18)
		case quant.IQ4_NL:
			putB32(q, 0, v.LoadInt8x32(&valuesIQ4NL).PermuteOrZeroGrouped(nibbles(i8x16(k, 2))))
			k = add(k, 18)
		case quant.Q4_1:
			o.mins[g], mins = u16(k, 2)^signBit, true
			putB32(q, 0, nibbles(i8x16(k, 4)))
			k = add(k, 20)
		case quant.Q5_0:
			putB32(q, 0, nibbles(i8x16(k, 6)).Or(fifths(u32(k, 2))).Sub(v.BroadcastInt8x32(16)))
			k = add(k, 22)
		case quant.Q5_1:
			o.mins[g], mins = u16(k, 2)^signBit, true
			putB32(q, 0, nibbles(i8x16(k, 8)).Or(fifths(u32(k, 4))))
			k = add(k, 24)
		case quant.MXFP4: // 2^(e−128), 0 where that would be below 2^−60
			powers[g] = 0
			if e := uint32(*(*byte)(k)); e >= 128-60 {
				powers[g] = (e - 1) << 23
			}
			putB32(q, 0, v.LoadInt8x32(&valuesFP4).PermuteOrZeroGrouped(nibbles(i8x16(k, 1))))
			k = add(k, 17)
		}
		q = add(q, 32)
	}
	clear(o.q[32*n:])
	if t == quant.MXFP4 {
		clear(powers[n:])
	} else {
		clear(o.scales[n:])
		putF8(at(&o.a), 0, halves8(i16x8(at(&o.scales), 0).ExtendToInt32()))
	}
	var b v.Float32x8
	if mins {
		clear(o.mins[n:])
		b = halves8(i16x8(at(&o.mins), 0).ExtendToInt32())
	}
	putF8(at(&o.b), 0, b)
}

// signBit is that of a half.
const signBit = 0x8000

// scales8 is the scales of eight blocks of size bytes, which begin with them.
func scales8(k at, size int) v.Float32x8 {
	var h v.Int16x8
	h = h.SetElem(0, int16(u16(k, 0))).SetElem(1, int16(u16(k, size))).SetElem(2, int16(u16(k, 2*size))).SetElem(3, int16(u16(k, 3*size)))
	k = add(k, 4*size)
	h = h.SetElem(4, int16(u16(k, 0))).SetElem(5, int16(u16(k, size))).SetElem(6, int16(u16(k, 2*size))).SetElem(7, int16(u16(k, 3*size)))
	return halves8(h.ExtendToInt32())
}

// nibbles is the low nibbles of 16 bytes, then the high ones.
func nibbles(w v.Int8x16) v.Int8x32 {
	var both v.Int8x32
	both = both.SetLo(w).SetHi(w.AsInt16x8().ShiftAllRight(4).AsInt8x16())
	return both.And(v.BroadcastInt8x32(15))
}

// What the nibbles of a type stand for, twice.
var valuesQ4_0, valuesIQ4NL, valuesFP4 = valuesOf(quant.Q4_0), valuesOf(quant.IQ4_NL), valuesOf(quant.MXFP4)

func valuesOf(t quant.Type) (values [32]int8) {
	_, size := t.Block()
	src := make([]byte, size)
	for i := range 16 {
		src[size-16+i] = byte(i)
	}
	var q quant.Ints
	quant.Unpack(t, &q, src)
	copy(values[:], q.Q[:16])
	copy(values[16:], q.Q[:16])
	return
}

func (o *block) q4k(k at) {
	o.groupsK(k)
	m := v.BroadcastInt8x32(15)
	for i := range 4 {
		w := i8x32(k, 16+32*i)
		putB32(at(&o.q), 64*i, w.And(m))
		putB32(at(&o.q), 64*i+32, w.AsInt16x16().ShiftAllRight(4).AsInt8x32().And(m))
	}
}

func (o *block) q5k(k at) {
	o.groupsK(k)
	m, one := v.BroadcastInt8x32(15), v.BroadcastInt8x32(16)
	h := i8x32(k, 16).AsInt16x16()
	for i := range 4 {
		w := i8x32(k, 48+32*i)
		bit := h.ShiftAllLeft(4).AsInt8x32().And(one)
		putB32(at(&o.q), 64*i, w.And(m).Or(bit))
		bit = h.ShiftAllLeft(3).AsInt8x32().And(one)
		putB32(at(&o.q), 64*i+32, w.AsInt16x16().ShiftAllRight(4).AsInt8x32().And(m).Or(bit))
		h = h.ShiftAllRight(2)
	}
}

func (o *block) q6k(k at) {
	m, pair, offset := v.BroadcastInt8x32(15), v.BroadcastInt8x32(0x30), v.BroadcastInt8x32(32)
	for half := range 2 {
		lo, hi, h := i8x32(k, 64*half), i8x32(k, 64*half+32), i8x32(k, 128+32*half).AsInt16x16()
		q := at(&o.q[128*half])
		putB32(q, 0, lo.And(m).Or(h.ShiftAllLeft(4).AsInt8x32().And(pair)).Sub(offset))
		putB32(q, 32, hi.And(m).Or(h.ShiftAllLeft(2).AsInt8x32().And(pair)).Sub(offset))
		putB32(q, 64, lo.AsInt16x16().ShiftAllRight(4).AsInt8x32().And(m).Or(h.AsInt8x32().And(pair)).Sub(offset))
		putB32(q, 96, hi.AsInt16x16().ShiftAllRight(4).AsInt8x32().And(m).Or(h.ShiftAllRight(2).AsInt8x32().And(pair)).Sub(offset))
	}
	o.scales6(k)
}

// scales6 reads the scales of Q6_K.
func (o *block) scales6(k at) {
	halves16of(i8x16(k, 192), half8at(k, 208), at(&o.a), at(&o.b))
}

// halves16of writes 16 bytes, each times by: the even ones to a, the odd ones to b.
func halves16of(s v.Int8x16, by v.Float32x8, a, b at) {
	s = s.PermuteOrZero(v.LoadInt8x16(&apart))
	putF8(a, 0, s.ExtendLo8ToInt32().ConvertToFloat32().Mul(by))
	putF8(b, 0, s.AsInt64x2().InterleaveHi(s.AsInt64x2()).AsInt8x16().ExtendLo8ToInt32().ConvertToFloat32().Mul(by))
}

// apart takes even bytes, then odd ones.
var apart = [16]int8{0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15}

// groupsK reads the header of Q4_K and Q5_K.
func (o *block) groupsK(k at) {
	u0, u1, u2 := u32(k, 4), u32(k, 8), u32(k, 12)
	sc := uint64(u0&0x3f3f3f3f) | uint64(u2&0x0f0f0f0f|u0>>2&0x30303030)<<32
	mn := uint64(u1&0x3f3f3f3f) | uint64(u2>>4&0x0f0f0f0f|u1>>2&0x30303030)<<32
	putF8(at(&o.a), 0, bytes8(sc).Mul(half8at(k, 0)))
	putF8(at(&o.b), 0, bytes8(mn).Mul(half8at(k, 2)))
}

// bytes8 is eight bytes as floats.
func bytes8(x uint64) v.Float32x8 {
	return v.BroadcastUint64x2(x).AsUint8x16().ExtendLo8ToUint32().AsInt32x8().ConvertToFloat32()
}

// fill writes the integers at q, (wide), to a row of a tile, in the order of spreadTo:
// the transpose of the groups' dwords, of each two of which the even bytes are two steps and
// the odd ones the next two.
func fill(dst, q at, step int) {
	r0 := i32x8(q, 0)
	r1 := i32x8(q, 32)
	r2 := i32x8(q, 64)
	r3 := i32x8(q, 96)
	r4 := i32x8(q, 128)
	r5 := i32x8(q, 160)
	r6 := i32x8(q, 192)
	r7 := i32x8(q, 224)
	a0, a1 := r0.InterleaveLoGrouped(r1).AsInt64x4(), r0.InterleaveHiGrouped(r1).AsInt64x4()
	a2, a3 := r2.InterleaveLoGrouped(r3).AsInt64x4(), r2.InterleaveHiGrouped(r3).AsInt64x4()
	a4, a5 := r4.InterleaveLoGrouped(r5).AsInt64x4(), r4.InterleaveHiGrouped(r5).AsInt64x4()
	a6, a7 := r6.InterleaveLoGrouped(r7).AsInt64x4(), r6.InterleaveHiGrouped(r7).AsInt64x4()
	b, c := a0.InterleaveLoGrouped(a2), a4.InterleaveLoGrouped(a6)
	putPairs(dst, 0, step, b.Select128FromPair(0, 2, c).AsInt16x16())
	putPairs(dst, 8*step, step, b.Select128FromPair(1, 3, c).AsInt16x16())
	b, c = a0.InterleaveHiGrouped(a2), a4.InterleaveHiGrouped(a6)
	putPairs(dst, step, step, b.Select128FromPair(0, 2, c).AsInt16x16())
	putPairs(dst, 9*step, step, b.Select128FromPair(1, 3, c).AsInt16x16())
	b, c = a1.InterleaveLoGrouped(a3), a5.InterleaveLoGrouped(a7)
	putPairs(dst, 4*step, step, b.Select128FromPair(0, 2, c).AsInt16x16())
	putPairs(dst, 12*step, step, b.Select128FromPair(1, 3, c).AsInt16x16())
	b, c = a1.InterleaveHiGrouped(a3), a5.InterleaveHiGrouped(a7)
	putPairs(dst, 5*step, step, b.Select128FromPair(0, 2, c).AsInt16x16())
	putPairs(dst, 13*step, step, b.Select128FromPair(1, 3, c).AsInt16x16())
}

// putPairs writes the even bytes of w at dst+o, widened, and the odd ones two steps on.
func putPairs(dst at, o, step int, w v.Int16x16) {
	putW16(dst, o, w.ShiftAllLeft(8).ShiftAllRight(8))
	putW16(dst, o+2*step, w.ShiftAllRight(8))
}
