//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"
	"unsafe"

	"eclat/loader/quant"
)

// vnni is avx512 but for tiles, whose integers one instruction multiplies and adds,
// VPDPWSSD. Package archsimd has no name for it and its compiler uses half of the 32
// registers, so the dots are assembly: twice as fast as cols512, which with its two
// instructions has reached what a processor of two 512-bit units can do.
var vnni = func() Form {
	f := avx512
	f.Name, f.many = "vnni", twoRows
	f.Product = (&vectorKernels{rows: rows512, step: 32, lanes: 16, blocks: blocksK, columns: columnsVNNI}).product
	return f
}()

// A step of the dots is 64 bytes of two columns, side by side, and 32 of a row, which meet
// both; sums are (dotRows, 4, 16): 8 groups of a column and of the other.
//
//	sums[r][p][l] = Σ_s w[r][s][2l%16]·x[p][s][2l] + w[r][s][2l%16+1]·x[p][s][2l+1]
//
// dots4 takes four pairs of columns, dots1 one; rows lie 16 steps apart, and so do pairs. steps
// is even.
const dotRows = 6

//go:noescape
func dots4(sums, w, x at, steps int)

//go:noescape
func dots3(sums, w, x at, steps int)

//go:noescape
func dots2(sums, w, x at, steps int)

//go:noescape
func dots1(sums, w, x at, steps int)

// dots takes 1 to 4 pairs.
func dots(pairs int, sums, w, x at, steps int) {
	switch pairs {
	case 1:
		dots1(sums, w, x, steps)
	case 2:
		dots2(sums, w, x, steps)
	case 3:
		dots3(sums, w, x, steps)
	default:
		dots4(sums, w, x, steps)
	}
}

// widen makes n > 0 halves, a multiple of 16, floats, with the one instruction for it, which
// archsimd has no name for either. It takes denormal halves as fast as others.
//
//go:noescape
func widen(dst, src at, n int)

// columnsVNNI multiplies the rows of a tile, block b of them, by all columns.
func columnsVNNI(in *Input, b int, halves bool, t *tile, rows int, acc at) {
	pairs := (in.N + 1) / 2
	for p, n := 0, 0; p < pairs; p += n {
		n = min(4, pairs-p)
		x, e := at(&in.m[(b*pairs+p)*2*wide]), at(&in.e[(b*pairs+p)*32])
		for r := 0; r < rows; r += dotRows {
			w, ab, to := at(&t.w[r*2*wide]), at(&t.ab[r*32]), add(acc, (p*tileRows+r)*64)
			if halves {
				dots(n, at(&t.sums[0]), w, x, 8)
				dots(n, at(&t.sums[1]), add(w, wide), add(x, 2*wide), 8)
				halvesVNNI(at(&t.sums[0]), at(&t.sums[1]), e, ab, to, n)
			} else {
				dots(n, at(&t.sums[0]), w, x, 16)
				termsVNNI(at(&t.sums[0]), e, ab, to, n)
			}
		}
	}
}

// termsVNNI adds the terms of dotRows rows and pairs of columns.
//
//	acc[p][r] += a[r]·(2^e·I) − b[r]·(2^e·S)
func termsVNNI(sums, e, ab, acc at, pairs int) {
	for range pairs {
		p, s, q, to := f32x16(e, 0), f32x16(e, 64), ab, acc
		for o := 0; o < 256*dotRows; o += 256 {
			t := i32x16(sums, o).ConvertToFloat32().Mul(p).Mul(f32x16(q, 0)).Sub(f32x16(q, 64).Mul(s))
			putF16(to, 0, f32x16(to, 0).Add(t))
			q, to = add(q, 128), add(to, 64)
		}
		sums, e, acc = add(sums, 64), add(e, 128), add(acc, tileRows*64)
	}
}

// halvesVNNI is termsVNNI of a type with two scales a group.
//
//	acc[p][r] += a[r]·(2^e·I0) + b[r]·(2^e·I1)
func halvesVNNI(first, second, e, ab, acc at, pairs int) {
	for range pairs {
		p, q, to := f32x16(e, 0), ab, acc
		for o := 0; o < 256*dotRows; o += 256 {
			t := i32x16(first, o).ConvertToFloat32().Mul(p).Mul(f32x16(q, 0))
			t = t.Add(i32x16(second, o).ConvertToFloat32().Mul(p).Mul(f32x16(q, 64)))
			putF16(to, 0, f32x16(to, 0).Add(t))
			q, to = add(q, 128), add(to, 64)
		}
		first, second, e, acc = add(first, 64), add(second, 64), add(e, 128), add(acc, tileRows*64)
	}
}

// blocksK unpacks a block of each of n rows of a weight, the first at k and the others stride
// bytes on, and says whether it knows the type.
func blocksK(t *tile, ty quant.Type, k at, stride, n int) bool {
	var fill func(dst, k at, step int)
	switch ty {
	case quant.Q4_K:
		t.headersK(k, stride, n)
		fill = fillQ4K
	case quant.Q5_K:
		t.headersK(k, stride, n)
		fill = fillQ5K
	case quant.Q6_K:
		t.headers6(k, stride, n)
		fill = fillQ6K
	case quant.Q8_0:
		t.headers8(k, stride, n)
		fill = fillQ8_0
	default:
		return false
	}
	w := at(&t.w)
	for range n {
		fill(w, k, 32)
		k, w = add(k, stride), add(w, 2*wide)
	}
	return true
}

// headersK reads the headers of a block of Q4_K or Q5_K of each of n rows, four at a time.
func (t *tile) headersK(k at, stride, n int) {
	ab, four := at(&t.ab), at(&t.first)
	for ; n > 0; n -= 4 {
		count := min(n, 4)
		if count < 4 {
			lastHeaders(k, stride, count, at(&t.heads), four)
		} else {
			headers4(k, stride, four)
		}
		for r := range count {
			h := add(four, r/2*128+r%2*32)
			putF16(ab, 0, two(h, h))
			h = add(h, 64)
			putF16(ab, 64, two(h, h))
			ab = add(ab, 128)
		}
		k = add(k, 4*stride)
	}
}

// headers6 reads the scales of a block of Q6_K of each of n rows.
func (t *tile) headers6(k at, stride, n int) {
	var d [upToTile]uint16
	for r := range n {
		d[r] = u16(k, r*stride+208)
	}
	scales := at(&t.first)
	widen(scales, at(&d), upToTile)
	ab := at(&t.ab)
	for range n {
		s := i8x16(k, 192).PermuteOrZero(v.LoadInt8x16(&apart)).ExtendToInt32().ConvertToFloat32()
		s = s.Mul(v.BroadcastInt32x16(int32(u32(scales, 0))).AsFloat32x16())
		a, b := s.GetLo(), s.GetHi()
		putF8(ab, 0, a)
		putF8(ab, 32, a)
		putF8(ab, 64, b)
		putF8(ab, 96, b)
		k, scales, ab = add(k, stride), add(scales, 4), add(ab, 128)
	}
}

// headers8 reads the scales of eight blocks of Q8_0 of each of n rows.
func (t *tile) headers8(k at, stride, n int) {
	scales, ab := at(&t.first), at(&t.ab)
	d := unsafe.Slice((*uint16)(add(scales, 4*tileRows*8)), 8*tileRows)
	for r := range n {
		row := add(k, r*stride)
		for g := range 8 {
			d[8*r+g] = u16(row, 34*g)
		}
	}
	widen(scales, at(unsafe.SliceData(d)), 8*upTo(n, 2))
	var none v.Float32x16
	for range n {
		putF16(ab, 0, two(scales, scales))
		putF16(ab, 64, none)
		scales, ab = add(scales, 32), add(ab, 128)
	}
}

// upToTile is tileRows, rounded up to a multiple of 16.
const upToTile = (tileRows + 15) &^ 15
