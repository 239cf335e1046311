//go:build goexperiment.simd && amd64

package kernel

import v "simd/archsimd"

// Blocks of weights become rows of a tile here, 512 bits at a time: lane l of step pair t
// is of group l%8 and its dword 2t + l/8.

// takes4 are the dwords of the bytes of Q4_K and Q5_K, of which a step takes the low nibbles
// for even groups and the high ones for odd groups.
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

// takes5 are the dwords of the fifth bits of Q5_K, and turns5 how far they are turned: bit g
// of a byte is that of an element of group g.
var takes5, turns5 = func() (a [4][16]uint32, turn [16]int32) {
	for l := range 16 {
		turn[l] = int32(4-l%8) & 31
		for t := range a {
			a[t][l] = uint32(2*t + l/8)
		}
	}
	return
}()

// fillQ5K is fill of a block of Q5_K.
func fillQ5K(dst, k at, step int) {
	var none v.Int32x16
	r0, r1, high := i32x16(k, 48).AsUint32x16(), i32x16(k, 112).AsUint32x16(), none.SetLo(i32x8(k, 16))
	nibbles, fifth, bytes := v.BroadcastInt32x16(0x0f0f0f0f), v.BroadcastInt32x16(0x10101010), v.BroadcastInt32x16(0x00ff00ff)
	shifts, turns := v.LoadUint32x16(&shifts4), v.LoadInt32x16(&turns5)
	for t := range takes4 {
		r := r0.ConcatPermute(r1, v.LoadUint32x16(&takes4[t])).ShiftRight(shifts).AsInt32x16().And(nibbles)
		r = r.Or(high.Permute(v.LoadUint32x16(&takes5[t])).RotateLeft(turns).And(fifth))
		put4(dst, step, r.And(bytes), r.AsInt16x32().ShiftAllRight(8).AsInt32x16())
		dst = add(dst, 4*step)
	}
}

// put4 writes four steps: two of even bytes, two of odd ones.
func put4(dst at, step int, even, odd v.Int32x16) {
	if step == 32 {
		putI16(dst, 0, even)
		putI16(dst, 64, odd)
		return
	}
	putI8(dst, 0, even.GetLo())
	putI8(dst, step, even.GetHi())
	putI8(dst, 2*step, odd.GetLo())
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
		put4(dst, step, r.And(bytes).AsInt16x32().Sub(offset).AsInt32x16(), r.AsInt16x32().ShiftAllRight(8).Sub(offset).AsInt32x16())
		dst = add(dst, 4*step)
	}
}

// takes8 are, of 32 dwords that are four groups one after the other, those of the lanes of
// groups 0–3; groups 4–7 have theirs in the same places four lanes on. takes8both takes four
// lanes of the one and four of the other.
var takes8, takes8both = func() (a [4][16]uint32, both [16]uint32) {
	for l := range 16 {
		both[l] = uint32(l%8/4*16 + l)
		for t := range a {
			a[t][l] = uint32(l%4*8 + 2*t + l/8)
		}
	}
	return
}()

// fillQ8_0 is fill of eight blocks of Q8_0.
func fillQ8_0(dst, k at, step int) {
	r0, r1 := groups8(k, 2), groups8(k, 70)
	r2, r3 := groups8(k, 138), groups8(k, 206)
	for t := range takes8 {
		take := v.LoadUint32x16(&takes8[t])
		r := r0.ConcatPermute(r1, take).ConcatPermute(r2.ConcatPermute(r3, take), v.LoadUint32x16(&takes8both)).AsInt16x32()
		put4(dst, step, r.ShiftAllLeft(8).ShiftAllRight(8).AsInt32x16(), r.ShiftAllRight(8).AsInt32x16())
		dst = add(dst, 4*step)
	}
}

// groups8 is the integers of two blocks.
func groups8(k at, o int) v.Int32x16 {
	var z v.Int32x16
	return z.SetLo(i32x8(k, o)).SetHi(i32x8(k, o+34))
}
