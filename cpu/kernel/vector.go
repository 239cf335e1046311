//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"
	"unsafe"
)

// vectorBuild: the program has forms besides plain.
const vectorBuild = true

const (
	tileRows = 24 // of a weight, in a tile
)

func vectorForms() (forms []*Form) {
	if v.X86.AVX512() && v.X86.AVX512VNNI() {
		forms = append(forms, &vnni)
	}
	if v.X86.AVX512() {
		forms = append(forms, &avx512)
	}
	if v.X86.AVX2() {
		forms = append(forms, &avx2)
	}
	return forms
}

// Kernels step through memory that their callers have measured out, by pointers: a
// slice would be checked at every load.
type at = unsafe.Pointer

// add steps a pointer. After the last step of a loop it may lie past the end: nobody looks
// at it there, so the race detector's check is left out, of this alone.
//
//go:nocheckptr
func add(p at, n int) at { return unsafe.Add(p, n) }

func i16x32(p at, o int) v.Int16x32   { return v.LoadInt16x32((*[32]int16)(unsafe.Add(p, o))) }
func i16x16(p at, o int) v.Int16x16   { return v.LoadInt16x16((*[16]int16)(unsafe.Add(p, o))) }
func i16x8(p at, o int) v.Int16x8     { return v.LoadInt16x8((*[8]int16)(unsafe.Add(p, o))) }
func i32x16(p at, o int) v.Int32x16   { return v.LoadInt32x16((*[16]int32)(unsafe.Add(p, o))) }
func i32x8(p at, o int) v.Int32x8     { return v.LoadInt32x8((*[8]int32)(unsafe.Add(p, o))) }
func i8x16(p at, o int) v.Int8x16     { return v.LoadInt8x16((*[16]int8)(unsafe.Add(p, o))) }
func i8x32(p at, o int) v.Int8x32     { return v.LoadInt8x32((*[32]int8)(unsafe.Add(p, o))) }
func f32x16(p at, o int) v.Float32x16 { return v.LoadFloat32x16((*[16]float32)(unsafe.Add(p, o))) }
func f32x8(p at, o int) v.Float32x8   { return v.LoadFloat32x8((*[8]float32)(unsafe.Add(p, o))) }
func u32x4(p at, o int) v.Uint32x4    { return v.LoadUint32x4((*[4]uint32)(unsafe.Add(p, o))) }
func u16(p at, o int) uint16          { return *(*uint16)(unsafe.Add(p, o)) }
func f32(p at, o int) float32         { return *(*float32)(unsafe.Add(p, o)) }
func u32(p at, o int) uint32          { return *(*uint32)(unsafe.Add(p, o)) }

func putF8(p at, o int, x v.Float32x8)   { x.Store((*[8]float32)(unsafe.Add(p, o))) }
func putF16(p at, o int, x v.Float32x16) { x.Store((*[16]float32)(unsafe.Add(p, o))) }
func putI8(p at, o int, x v.Int32x8)     { x.Store((*[8]int32)(unsafe.Add(p, o))) }
func putI16(p at, o int, x v.Int32x16)   { x.Store((*[16]int32)(unsafe.Add(p, o))) }
func putW16(p at, o int, x v.Int16x16)   { x.Store((*[16]int16)(unsafe.Add(p, o))) }
func putW32(p at, o int, x v.Int16x32)   { x.Store((*[32]int16)(unsafe.Add(p, o))) }
func putB32(p at, o int, x v.Int8x32)    { x.Store((*[32]int8)(unsafe.Add(p, o))) }

// The constants of halves lie in memory: a broadcast in a loop is made anew each time.
var half8, half16 = halfConstants([8]int32{}), halfConstants([16]int32{})

// halfConstants are the steps of halves, of as many lanes as kind has.
func halfConstants[T [8]int32 | [16]int32](kind T) (c [7]T) {
	for i, x := range [7]int32{0x7c00, 1, 0x7bff, 0x7fff, 112 << 23, 1 << 23, 113 << 23} {
		for l := range len(kind) {
			switch p := any(&c[i]).(type) {
			case *[8]int32:
				p[l] = x
			case *[16]int32:
				p[l] = x
			}
		}
	}
	return c
}

// halves8 converts the low 16 bits of each lane, a half, to a float, without a denormal
// number on the way: some processors take a hundred times as long with one.
func halves8(h v.Int32x8) v.Float32x8 {
	c := &half8
	e := h.And(v.LoadInt32x8(&c[0]))
	small := e.Sub(v.LoadInt32x8(&c[1])).ShiftAllRight(31) // −1 where denormal
	large := v.LoadInt32x8(&c[2]).Sub(e).ShiftAllRight(31) // −1 where infinite or NaN
	m := h.And(v.LoadInt32x8(&c[3])).ShiftAllLeft(13).Add(v.LoadInt32x8(&c[4]))
	m = m.Add(small.And(v.LoadInt32x8(&c[5]))).Add(large.And(v.LoadInt32x8(&c[4])))
	f := m.AsFloat32x8().Sub(small.And(v.LoadInt32x8(&c[6])).AsFloat32x8())
	return f.AsInt32x8().Or(h.ShiftAllRight(15).ShiftAllLeft(31)).AsFloat32x8()
}

// halves16 is halves8 of 16 lanes.
func halves16(h v.Int32x16) v.Float32x16 {
	c := &half16
	e := h.And(v.LoadInt32x16(&c[0]))
	small := e.Sub(v.LoadInt32x16(&c[1])).ShiftAllRight(31)
	large := v.LoadInt32x16(&c[2]).Sub(e).ShiftAllRight(31)
	m := h.And(v.LoadInt32x16(&c[3])).ShiftAllLeft(13).Add(v.LoadInt32x16(&c[4]))
	m = m.Add(small.And(v.LoadInt32x16(&c[5]))).Add(large.And(v.LoadInt32x16(&c[4])))
	f := m.AsFloat32x16().Sub(small.And(v.LoadInt32x16(&c[6])).AsFloat32x16())
	return f.AsInt32x16().Or(h.ShiftAllRight(15).ShiftAllLeft(31)).AsFloat32x16()
}

// half8at is the half at p+o in all lanes. A float of one element would be given by an
// instruction from before AVX (doc.go).
func half8at(p at, o int) v.Float32x8 { return halves8(v.BroadcastInt32x8(int32(u16(p, o)))) }

func half16at(p at, o int) v.Float32x16 { return halves16(v.BroadcastInt32x16(int32(u16(p, o)))) }

// Most vectors of halves have neither zeros and denormal numbers nor infinities and NaN;
// those take a quarter of the steps.

// normal reports that all halves in a and b are normal numbers: their exponents, plus one,
// are neither 1 nor 32, of which the bits looked at are zero.
func normal(a, b v.Int16x16) bool {
	one, bits := v.BroadcastInt16x16(0x0400), v.BroadcastInt16x16(0x7800)
	var zero v.Int16x16
	return a.Add(one).And(bits).Min(b.Add(one).And(bits)).Equal(zero).ToInt16x16().IsZero()
}

// normal8 is halves8 of normal numbers with their sign in the upper 16 bits of the lane.
func normal8(h v.Int32x8) v.Float32x8 {
	return h.ShiftAllLeft(13).And(v.BroadcastInt32x8(-0x70002000)).Add(v.BroadcastInt32x8(112 << 23)).AsFloat32x8()
}

// least is the bits of numerics.Least.
const least = (127 - 40) << 23

// flush8 is numerics.Flush: a lane of magnitude below Least becomes +0.
func flush8(x v.Float32x8) v.Float32x8 {
	i := x.AsInt32x8()
	small := i.And(v.BroadcastInt32x8(0x7fffffff)).Sub(v.BroadcastInt32x8(least)).ShiftAllRight(31)
	return i.AndNot(small).AsFloat32x8()
}

func flush16(x v.Float32x16) v.Float32x16 {
	i := x.AsInt32x16()
	small := i.And(v.BroadcastInt32x16(0x7fffffff)).Sub(v.BroadcastInt32x16(least)).ShiftAllRight(31)
	return i.AndNot(small).AsFloat32x16()
}

// trees adds the eight chains of four rows as numerics.Chains.Sum does, and flushes.
func trees(a, b, c, d v.Float32x8) v.Float32x4 {
	t := a.AddPairsGrouped(b).AddPairsGrouped(c.AddPairsGrouped(d))
	s := t.GetLo().Add(t.GetHi())
	i := s.AsInt32x4()
	small := i.And(v.BroadcastInt32x4(0x7fffffff)).Sub(v.BroadcastInt32x4(least)).ShiftAllRight(31)
	return i.AndNot(small).AsFloat32x4()
}

// add8 adds the lanes of four vectors, 128 bits at a time: lane i of each half of the
// answer is the sum of that half of vector i.
func add8(a, b, c, d v.Int32x8) v.Int32x8 {
	t := a.InterleaveLoGrouped(b).Add(a.InterleaveHiGrouped(b)).AsInt64x4()
	u := c.InterleaveLoGrouped(d).Add(c.InterleaveHiGrouped(d)).AsInt64x4()
	return t.InterleaveLoGrouped(u).AsInt32x8().Add(t.InterleaveHiGrouped(u).AsInt32x8())
}

// add16 is add8 of four quarters.
func add16(a, b, c, d v.Int32x16) v.Int32x16 {
	t := a.InterleaveLoGrouped(b).Add(a.InterleaveHiGrouped(b)).AsInt64x8()
	u := c.InterleaveLoGrouped(d).Add(c.InterleaveHiGrouped(d)).AsInt64x8()
	return t.InterleaveLoGrouped(u).AsInt32x16().Add(t.InterleaveHiGrouped(u).AsInt32x16())
}

// transpose8 writes eight rows of eight lanes, from bytes apart, as columns to bytes apart.
func transpose8(dst at, to int, src at, from int) {
	r0 := i32x8(src, 0)
	r1 := i32x8(src, 1*from)
	r2 := i32x8(src, 2*from)
	r3 := i32x8(src, 3*from)
	r4 := i32x8(src, 4*from)
	r5 := i32x8(src, 5*from)
	r6 := i32x8(src, 6*from)
	r7 := i32x8(src, 7*from)
	a0, a1 := r0.InterleaveLoGrouped(r1).AsInt64x4(), r0.InterleaveHiGrouped(r1).AsInt64x4()
	a2, a3 := r2.InterleaveLoGrouped(r3).AsInt64x4(), r2.InterleaveHiGrouped(r3).AsInt64x4()
	a4, a5 := r4.InterleaveLoGrouped(r5).AsInt64x4(), r4.InterleaveHiGrouped(r5).AsInt64x4()
	a6, a7 := r6.InterleaveLoGrouped(r7).AsInt64x4(), r6.InterleaveHiGrouped(r7).AsInt64x4()
	b, c := a0.InterleaveLoGrouped(a2), a4.InterleaveLoGrouped(a6)
	putI8(dst, 0, b.Select128FromPair(0, 2, c).AsInt32x8())
	putI8(dst, 4*to, b.Select128FromPair(1, 3, c).AsInt32x8())
	b, c = a0.InterleaveHiGrouped(a2), a4.InterleaveHiGrouped(a6)
	putI8(dst, 1*to, b.Select128FromPair(0, 2, c).AsInt32x8())
	putI8(dst, 5*to, b.Select128FromPair(1, 3, c).AsInt32x8())
	b, c = a1.InterleaveLoGrouped(a3), a5.InterleaveLoGrouped(a7)
	putI8(dst, 2*to, b.Select128FromPair(0, 2, c).AsInt32x8())
	putI8(dst, 6*to, b.Select128FromPair(1, 3, c).AsInt32x8())
	b, c = a1.InterleaveHiGrouped(a3), a5.InterleaveHiGrouped(a7)
	putI8(dst, 3*to, b.Select128FromPair(0, 2, c).AsInt32x8())
	putI8(dst, 7*to, b.Select128FromPair(1, 3, c).AsInt32x8())
}
