//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"
	"unsafe"
)

// Memory of integers becomes floats here, a block of 32 elements at a time: q·d, exact,
// as numerics.Kept has it. Of keys the positions of a page lie side by side, each with a
// scale of its own; of values the elements of a position do, with one scale.

// ints is where the integers of k begin.
func (k *Kept) ints() at {
	if k.Four != nil {
		return at(unsafe.SliceData(k.Four))
	}
	return at(unsafe.SliceData(k.Eight))
}

// fours is 32 elements of 16 bytes of Four, of one position.
func fours(p at) v.Int8x32 {
	w := i8x16(p, 0).AsUint8x16().ExtendToUint16()
	even, odd := w.And(v.BroadcastUint16x16(0x000f)), w.ShiftAllLeft(4).And(v.BroadcastUint16x16(0x0f00))
	return even.Or(odd).AsInt8x32().Sub(v.BroadcastInt8x32(8))
}

// keys512 converts the keys of a page to (dim, Page) floats.
func keys512(dst at, k Kept, dim int) {
	scales, from := at(unsafe.SliceData(k.Scales)), k.ints()
	for range dim / 32 {
		d0, d1 := halves16(i16x16(scales, 0).ExtendToInt32()), halves16(i16x16(scales, 32).ExtendToInt32())
		scales = add(scales, 2*Page)
		if k.Four == nil {
			for range 32 {
				putF16(dst, 0, i8x16(from, 0).ExtendToInt32().ConvertToFloat32().Mul(d0))
				putF16(dst, 64, i8x16(from, 16).ExtendToInt32().ConvertToFloat32().Mul(d1))
				from, dst = add(from, Page), add(dst, 4*Page)
			}
			continue
		}
		low, eight := v.BroadcastInt32x16(15), v.BroadcastInt32x16(8)
		for range 16 { // pairs of elements
			a, b := i8x16(from, 0).ExtendToInt32(), i8x16(from, 16).ExtendToInt32()
			putF16(dst, 0, a.And(low).Sub(eight).ConvertToFloat32().Mul(d0))
			putF16(dst, 64, b.And(low).Sub(eight).ConvertToFloat32().Mul(d1))
			putF16(dst, 128, a.ShiftAllRight(4).And(low).Sub(eight).ConvertToFloat32().Mul(d0))
			putF16(dst, 192, b.ShiftAllRight(4).And(low).Sub(eight).ConvertToFloat32().Mul(d1))
			from, dst = add(from, Page), add(dst, 2*4*Page)
		}
	}
}

// values512 converts n values, stride elements apart, to (n, dim) floats.
func values512(dst at, k Kept, n, dim, stride int) {
	for r := range n {
		scales := add(at(unsafe.SliceData(k.Scales)), r*stride/32*2)
		if k.Four != nil {
			from := add(k.ints(), r*stride/2)
			for range dim / 32 {
				d, w := half16at(scales, 0), fours(from)
				putF16(dst, 0, w.GetLo().ExtendToInt32().ConvertToFloat32().Mul(d))
				putF16(dst, 64, w.GetHi().ExtendToInt32().ConvertToFloat32().Mul(d))
				scales, from, dst = add(scales, 2), add(from, 16), add(dst, 128)
			}
			continue
		}
		from := add(k.ints(), r*stride)
		for range dim / 32 {
			d := half16at(scales, 0)
			putF16(dst, 0, i8x16(from, 0).ExtendToInt32().ConvertToFloat32().Mul(d))
			putF16(dst, 64, i8x16(from, 16).ExtendToInt32().ConvertToFloat32().Mul(d))
			scales, from, dst = add(scales, 2), add(from, 32), add(dst, 128)
		}
	}
}

// wide8 widens 16 bytes.
func wide8(b v.Int8x16) (lo, hi v.Int32x8) {
	return b.ExtendLo8ToInt32(), b.AsInt64x2().InterleaveHi(b.AsInt64x2()).AsInt8x16().ExtendLo8ToInt32()
}

// keys256 is keys512.
func keys256(dst at, k Kept, dim int) {
	scales, from := at(unsafe.SliceData(k.Scales)), k.ints()
	for range dim / 32 {
		d0, d1 := halves8(i16x8(scales, 0).ExtendToInt32()), halves8(i16x8(scales, 16).ExtendToInt32())
		d2, d3 := halves8(i16x8(scales, 32).ExtendToInt32()), halves8(i16x8(scales, 48).ExtendToInt32())
		scales = add(scales, 2*Page)
		if k.Four == nil {
			for range 32 {
				a, b := wide8(i8x16(from, 0))
				putF8(dst, 0, a.ConvertToFloat32().Mul(d0))
				putF8(dst, 32, b.ConvertToFloat32().Mul(d1))
				a, b = wide8(i8x16(from, 16))
				putF8(dst, 64, a.ConvertToFloat32().Mul(d2))
				putF8(dst, 96, b.ConvertToFloat32().Mul(d3))
				from, dst = add(from, Page), add(dst, 4*Page)
			}
			continue
		}
		low, eight := v.BroadcastInt32x8(15), v.BroadcastInt32x8(8)
		for range 16 {
			a, b := wide8(i8x16(from, 0))
			putF8(dst, 0, a.And(low).Sub(eight).ConvertToFloat32().Mul(d0))
			putF8(dst, 32, b.And(low).Sub(eight).ConvertToFloat32().Mul(d1))
			putF8(dst, 128, a.ShiftAllRight(4).And(low).Sub(eight).ConvertToFloat32().Mul(d0))
			putF8(dst, 160, b.ShiftAllRight(4).And(low).Sub(eight).ConvertToFloat32().Mul(d1))
			a, b = wide8(i8x16(from, 16))
			putF8(dst, 64, a.And(low).Sub(eight).ConvertToFloat32().Mul(d2))
			putF8(dst, 96, b.And(low).Sub(eight).ConvertToFloat32().Mul(d3))
			putF8(dst, 192, a.ShiftAllRight(4).And(low).Sub(eight).ConvertToFloat32().Mul(d2))
			putF8(dst, 224, b.ShiftAllRight(4).And(low).Sub(eight).ConvertToFloat32().Mul(d3))
			from, dst = add(from, Page), add(dst, 2*4*Page)
		}
	}
}

// values256 is values512.
func values256(dst at, k Kept, n, dim, stride int) {
	for r := range n {
		scales := add(at(unsafe.SliceData(k.Scales)), r*stride/32*2)
		from, bytes := add(k.ints(), r*stride), 32
		if k.Four != nil {
			from, bytes = add(k.ints(), r*stride/2), 16
		}
		for range dim / 32 {
			d := half8at(scales, 0)
			var w v.Int8x32
			if k.Four != nil {
				w = fours(from)
			} else {
				w = i8x32(from, 0)
			}
			a, b := wide8(w.GetLo())
			putF8(dst, 0, a.ConvertToFloat32().Mul(d))
			putF8(dst, 32, b.ConvertToFloat32().Mul(d))
			a, b = wide8(w.GetHi())
			putF8(dst, 64, a.ConvertToFloat32().Mul(d))
			putF8(dst, 96, b.ConvertToFloat32().Mul(d))
			scales, from, dst = add(scales, 2), add(from, bytes), add(dst, 128)
		}
	}
}
