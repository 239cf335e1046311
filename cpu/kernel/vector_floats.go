//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"
	"unsafe"

	"eclat/loader"
	"eclat/loader/quant"
)

// floatsPart is how many elements of a row of floats are decoded at a time: four rows
// and the columns that meet them stay near the processor.
const floatsPart = 512

// productFloats is Product of n ≤ tileRows rows of a weight of floats. Four rows at a
// time are decoded, in the order of chained, and multiplied by two columns at a time.
func productFloats(in *Input, w *loader.Tensor, from, n int, dst []float32, ld int, s *Scratch) {
	_, size := w.Type.Block()
	var part [4 * floatsPart]float32
	var decoded [64]float32
	var tail [64 * 4]byte
	for r := 0; r < n; r += 4 {
		rows := min(4, n-r)
		clear(s.acc[:(in.N+1)/2*64])
		for k := 0; k < in.Cols; k += floatsPart {
			elems := min(floatsPart, in.Cols-k)
			for i := range rows {
				j := from + r + i
				decodeChained(at(&part[i*floatsPart]), w.Type, at(&w.Data[j*w.RowBytes+k*size]), elems, size, &decoded, &tail)
			}
			for c := 0; c < in.N; c += 2 {
				x, acc := c*in.padded*wide+k, at(&s.acc[c*32])
				if c+1 < in.N {
					dotChained(acc, at(&part), upTo(elems, 64), at(&in.f[x]), at(&in.f[x+in.padded*wide]))
				} else {
					dotChained1(acc, at(&part), upTo(elems, 64), at(&in.f[x]))
				}
			}
		}
		for c := range in.N {
			finish(dst[c*ld+from+r:][:rows], at(&s.acc[c*32]), 8)
		}
	}
}

// decodeChained decodes n elements of size bytes, flushed, with zeros up to a multiple of
// 64. x is overwritten; of tail the first n%64 elements, the others are zero.
func decodeChained(dst at, t quant.Type, src at, n, size int, x *[64]float32, tail *[64 * 4]byte) {
	for ; n > 0; n -= 64 {
		if n < 64 {
			copy(tail[:], unsafe.Slice((*byte)(src), n*size))
			src = at(tail)
		}
		p := at(x)
		switch t {
		case quant.F32:
			if large(src) {
				p = src
				break
			}
			for o := 0; o < 256; o += 32 {
				putF8(p, o, flush8(f32x8(src, o)))
			}
		case quant.F16:
			if normal(i16x16(src, 0), i16x16(src, 32)) && normal(i16x16(src, 64), i16x16(src, 96)) {
				for o := 0; o < 256; o += 32 {
					putF8(p, o, normal8(i16x8(src, o/2).ExtendToInt32()))
				}
				break
			}
			for o := 0; o < 256; o += 32 {
				putF8(p, o, halves8(i16x8(src, o/2).ExtendToInt32()))
			}
		default: // BF16
			for o := 0; o < 256; o += 32 {
				putF8(p, o, flush8(i16x8(src, o/2).ExtendToInt32().ShiftAllLeft(16).AsFloat32x8()))
			}
		}
		transpose8(dst, 32, p, 32)
		dst, src = add(dst, 256), add(src, 64*size)
	}
}

// large reports that flush8 leaves 64 floats as they are: none is below Least.
func large(p at) bool {
	m := v.BroadcastInt32x8(0x7fffffff)
	a, b := f32x8(p, 0).AsInt32x8().And(m), f32x8(p, 32).AsInt32x8().And(m)
	for o := 64; o < 256; o += 64 {
		a, b = a.Min(f32x8(p, o).AsInt32x8().And(m)), b.Min(f32x8(p, o+32).AsInt32x8().And(m))
	}
	return v.BroadcastInt32x8(least).Greater(a.Min(b)).ToInt32x8().IsZero()
}

// dotChained1 is dotChained of one column.
func dotChained1(acc, w at, n int, x at) {
	a0, a1, a2, a3 := f32x8(acc, 0), f32x8(acc, 32), f32x8(acc, 64), f32x8(acc, 96)
	for range n / 8 {
		l := f32x8(x, 0)
		a0, a1 = a0.Add(f32x8(w, 0).Mul(l)), a1.Add(f32x8(w, 4*floatsPart).Mul(l))
		a2, a3 = a2.Add(f32x8(w, 8*floatsPart).Mul(l)), a3.Add(f32x8(w, 12*floatsPart).Mul(l))
		w, x = add(w, 32), add(x, 32)
	}
	putF8(acc, 0, a0)
	putF8(acc, 32, a1)
	putF8(acc, 64, a2)
	putF8(acc, 96, a3)
}

// dotChained multiplies four rows of n floats at w, floatsPart apart, by x and by y, all
// chained, and adds to eight chains each.
func dotChained(acc, w at, n int, x, y at) {
	a0, a1, a2, a3 := f32x8(acc, 0), f32x8(acc, 32), f32x8(acc, 64), f32x8(acc, 96)
	b0, b1, b2, b3 := f32x8(acc, 128), f32x8(acc, 160), f32x8(acc, 192), f32x8(acc, 224)
	for range n / 8 {
		l, r := f32x8(x, 0), f32x8(y, 0)
		k := f32x8(w, 0)
		a0, b0 = a0.Add(k.Mul(l)), b0.Add(k.Mul(r))
		k = f32x8(w, 4*floatsPart)
		a1, b1 = a1.Add(k.Mul(l)), b1.Add(k.Mul(r))
		k = f32x8(w, 8*floatsPart)
		a2, b2 = a2.Add(k.Mul(l)), b2.Add(k.Mul(r))
		k = f32x8(w, 12*floatsPart)
		a3, b3 = a3.Add(k.Mul(l)), b3.Add(k.Mul(r))
		w, x, y = add(w, 32), add(x, 32), add(y, 32)
	}
	putF8(acc, 0, a0)
	putF8(acc, 32, a1)
	putF8(acc, 64, a2)
	putF8(acc, 96, a3)
	putF8(acc, 128, b0)
	putF8(acc, 160, b1)
	putF8(acc, 192, b2)
	putF8(acc, 224, b3)
}
