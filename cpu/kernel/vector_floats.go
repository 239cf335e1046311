//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"
	"unsafe"

	"eclat/loader"
	"eclat/loader/quant"
)

// productFloats is Product of n rows of a weight of floats. Four rows at a time are
// decoded, in the order of chained, and multiplied by two columns at a time.
func productFloats(in *Input, w *loader.Tensor, from, n int, dst []float32, ld int, s *Scratch) {
	length := upTo(in.Cols, 64)
	var acc [2 * 4 * 8]float32
	for r := 0; r < n; r += 4 {
		rows := min(4, n-r)
		for i := range rows {
			j := from + r + i
			decodeChained(at(&s.row[i*length]), w.Type, w.Data[j*w.RowBytes:(j+1)*w.RowBytes], in.Cols)
		}
		for i := rows; i < 4; i++ {
			clear(s.row[i*length:][:length])
		}
		for c := 0; c < in.N; c += 2 {
			other := min(c+1, in.N-1)
			dotChained(at(&acc), at(&s.row[0]), length, at(&in.f[c*in.padded*wide]), at(&in.f[other*in.padded*wide]))
			finish(dst[c*ld+from+r:][:rows], at(&acc[0]), inRow)
			finish(dst[other*ld+from+r:][:rows], at(&acc[(other-c)*32]), inRow)
		}
	}
}

// decodeChained decodes a row of n elements, flushed, with zeros up to a multiple of 64.
func decodeChained(dst at, t quant.Type, row []byte, n int) {
	_, size := t.Block()
	src := at(unsafe.SliceData(row))
	var tail [64 * 4]byte
	for ; n > 0; n -= 64 {
		if n < 64 {
			copy(tail[:], unsafe.Slice((*byte)(src), n*size))
			src = at(&tail)
		}
		var r [8]v.Int32x8
		for i := range r {
			switch t {
			case quant.F32:
				r[i] = flush8(f32x8(src, 32*i)).AsInt32x8()
			case quant.F16:
				r[i] = halves8(v.LoadInt16x8((*[8]int16)(add(src, 16*i))).ExtendToInt32()).AsInt32x8()
			default: // BF16
				r[i] = flush8(v.LoadInt16x8((*[8]int16)(add(src, 16*i))).ExtendToInt32().ShiftAllLeft(16).AsFloat32x8()).AsInt32x8()
			}
		}
		transpose8(&r)
		for i := range r {
			putI8(dst, 32*i, r[i])
		}
		dst, src = add(dst, 256), add(src, 64*size)
	}
}

// dotChained multiplies four rows of n floats at w by x and by y, all chained.
func dotChained(acc, w at, n int, x, y at) {
	var a0, a1, a2, a3, b0, b1, b2, b3 v.Float32x8
	p, q := add(w, 8*n), add(w, 12*n)
	for range n / 8 {
		l, r := f32x8(x, 0), f32x8(y, 0)
		k := f32x8(w, 0)
		a0, b0 = a0.Add(k.Mul(l)), b0.Add(k.Mul(r))
		k = f32x8(w, 4*n)
		a1, b1 = a1.Add(k.Mul(l)), b1.Add(k.Mul(r))
		k = f32x8(p, 0)
		a2, b2 = a2.Add(k.Mul(l)), b2.Add(k.Mul(r))
		k = f32x8(q, 0)
		a3, b3 = a3.Add(k.Mul(l)), b3.Add(k.Mul(r))
		w, p, q, x, y = add(w, 32), add(p, 32), add(q, 32), add(x, 32), add(y, 32)
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
