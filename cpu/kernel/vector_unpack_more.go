//go:build goexperiment.simd && amd64

package kernel

import v "simd/archsimd"

// Types whose blocks are unpacked by vectors, but whose rows are not multiplied from the
// registers; any does the rest.

// fifths is 16 in each byte whose bit of x is set.
func fifths(x uint32) v.Int8x32 {
	bits := v.LoadInt8x32(&bitOf)
	w := v.BroadcastInt32x8(int32(x)).AsInt8x32().PermuteOrZeroGrouped(v.LoadInt8x32(&byteOf))
	return w.And(bits).Equal(bits).ToInt8x32().And(v.BroadcastInt8x32(16))
}

// byteOf and bitOf are where bit i of a word lies.
var byteOf, bitOf = func() (at, bit [32]int8) {
	for i := range 32 {
		at[i], bit[i] = int8(i/8), int8(byte(1)<<(i%8))
	}
	return
}()

func (o *block) iq4xs(k at) {
	high, low := uint32(u16(k, 2)), u32(k, 4)
	scales, values := (*[8]int32)(at(&o.a)), v.LoadInt8x32(&valuesIQ4NL)
	for g := range 8 {
		scales[g] = int32(low>>(4*g)&15|high>>(2*g)&3<<4) - 32
		putB32(at(&o.q[32*g]), 0, values.PermuteOrZeroGrouped(nibbles(i8x16(k, 8+16*g))))
	}
	putF8(at(&o.a), 0, i32x8(at(&o.a), 0).ConvertToFloat32().Mul(half8at(k, 0)))
	none(at(&o.b))
}

// twos reads 64 bytes of pairs of bits, of 32 bytes the lowest first, less an offset.
func (o *block) twos(k at, offset int8) {
	m, less := v.BroadcastInt8x32(3), v.BroadcastInt8x32(offset)
	for h := range 2 {
		w := i8x32(k, 32*h).AsInt16x16()
		for i := range 4 {
			putB32(at(&o.q[128*h+32*i]), 0, w.AsInt8x32().And(m).Sub(less))
			w = w.ShiftAllRight(2)
		}
	}
}

func (o *block) tq2(k at) {
	putF8(at(&o.a), 0, half8at(k, 64))
	none(at(&o.b))
	o.twos(k, 1)
}

func (o *block) q2k(k at) {
	o.twos(add(k, 16), 0)
	w, m := i8x16(k, 0), v.BroadcastInt8x16(15)
	halves16of(w.And(m), half8at(k, 80), at(&o.a), at(&o.b))
	halves16of(w.AsInt16x8().ShiftAllRight(4).AsInt8x16().And(m), half8at(k, 82), at(&o.m0), at(&o.m1))
}

func (o *block) q3k(k at) {
	m, four := v.BroadcastInt8x32(3), v.BroadcastInt8x32(4)
	third := i8x32(k, 0).AsInt16x16()
	for h := range 2 {
		w := i8x32(k, 32+32*h).AsInt16x16()
		for i := range 4 {
			bit := third.ShiftAllLeft(2).AsInt8x32().And(four)
			putB32(at(&o.q[128*h+32*i]), 0, w.AsInt8x32().And(m).Or(bit).Sub(four))
			w, third = w.ShiftAllRight(2), third.ShiftAllRight(1)
		}
	}
	lo, mid, hi := u32(k, 96), u32(k, 100), u32(k, 104)
	const nibble, pair = 0x0f0f0f0f, 0x30303030
	words := [4]uint32{
		lo&nibble | hi<<4&pair, mid&nibble | hi<<2&pair,
		lo>>4&nibble | hi&pair, mid>>4&nibble | hi>>2&pair,
	}
	halves16of(i8x16(at(&words), 0).Sub(v.BroadcastInt8x16(32)), half8at(k, 108), at(&o.a), at(&o.b))
	none(at(&o.m0))
	none(at(&o.m1))
}

// none makes eight factors zero.
func none(p at) {
	var zero v.Float32x8
	putF8(p, 0, zero)
}
