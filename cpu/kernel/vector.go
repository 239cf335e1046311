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
	lanes    = 16 // floats of a query's element
)

func vectorForms() (forms []*Form) {
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

func add(p at, n int) at { return unsafe.Add(p, n) }

func i16x32(p at, o int) v.Int16x32   { return v.LoadInt16x32((*[32]int16)(unsafe.Add(p, o))) }
func i16x16(p at, o int) v.Int16x16   { return v.LoadInt16x16((*[16]int16)(unsafe.Add(p, o))) }
func i32x16(p at, o int) v.Int32x16   { return v.LoadInt32x16((*[16]int32)(unsafe.Add(p, o))) }
func i32x8(p at, o int) v.Int32x8     { return v.LoadInt32x8((*[8]int32)(unsafe.Add(p, o))) }
func i8x16(p at, o int) v.Int8x16     { return v.LoadInt8x16((*[16]int8)(unsafe.Add(p, o))) }
func i8x32(p at, o int) v.Int8x32     { return v.LoadInt8x32((*[32]int8)(unsafe.Add(p, o))) }
func f32x16(p at, o int) v.Float32x16 { return v.LoadFloat32x16((*[16]float32)(unsafe.Add(p, o))) }
func f32x8(p at, o int) v.Float32x8   { return v.LoadFloat32x8((*[8]float32)(unsafe.Add(p, o))) }
func u32x4(p at, o int) v.Uint32x4    { return v.LoadUint32x4((*[4]uint32)(unsafe.Add(p, o))) }
func u16(p at, o int) uint16          { return *(*uint16)(unsafe.Add(p, o)) }
func u32(p at, o int) uint32          { return *(*uint32)(unsafe.Add(p, o)) }

func putF8(p at, o int, x v.Float32x8)   { x.Store((*[8]float32)(unsafe.Add(p, o))) }
func putF16(p at, o int, x v.Float32x16) { x.Store((*[16]float32)(unsafe.Add(p, o))) }
func putI8(p at, o int, x v.Int32x8)     { x.Store((*[8]int32)(unsafe.Add(p, o))) }
func putW16(p at, o int, x v.Int16x16)   { x.Store((*[16]int16)(unsafe.Add(p, o))) }
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

// transpose8 turns eight rows of eight lanes.
func transpose8(r *[8]v.Int32x8) {
	a0, a1 := r[0].InterleaveLoGrouped(r[1]).AsInt64x4(), r[0].InterleaveHiGrouped(r[1]).AsInt64x4()
	a2, a3 := r[2].InterleaveLoGrouped(r[3]).AsInt64x4(), r[2].InterleaveHiGrouped(r[3]).AsInt64x4()
	a4, a5 := r[4].InterleaveLoGrouped(r[5]).AsInt64x4(), r[4].InterleaveHiGrouped(r[5]).AsInt64x4()
	a6, a7 := r[6].InterleaveLoGrouped(r[7]).AsInt64x4(), r[6].InterleaveHiGrouped(r[7]).AsInt64x4()
	b0, c0 := a0.InterleaveLoGrouped(a2), a4.InterleaveLoGrouped(a6)
	b1, c1 := a0.InterleaveHiGrouped(a2), a4.InterleaveHiGrouped(a6)
	b2, c2 := a1.InterleaveLoGrouped(a3), a5.InterleaveLoGrouped(a7)
	b3, c3 := a1.InterleaveHiGrouped(a3), a5.InterleaveHiGrouped(a7)
	r[0], r[4] = b0.Select128FromPair(0, 2, c0).AsInt32x8(), b0.Select128FromPair(1, 3, c0).AsInt32x8()
	r[1], r[5] = b1.Select128FromPair(0, 2, c1).AsInt32x8(), b1.Select128FromPair(1, 3, c1).AsInt32x8()
	r[2], r[6] = b2.Select128FromPair(0, 2, c2).AsInt32x8(), b2.Select128FromPair(1, 3, c2).AsInt32x8()
	r[3], r[7] = b3.Select128FromPair(0, 2, c3).AsInt32x8(), b3.Select128FromPair(1, 3, c3).AsInt32x8()
}
