//go:build goexperiment.simd && amd64

package kernel

// vnni is avx512 but for tiles, whose integers one instruction multiplies and adds,
// VPDPWSSD. Package archsimd has no name for it and its compiler uses half of the 32
// registers, so dots4 and dots1 are assembly: twice as fast as cols512, which with its two
// instructions has reached what a processor of two 512-bit units can do.
var vnni = func() Form {
	f := avx512
	f.Name, f.many = "vnni", twoRows
	f.Product = (&vectorKernels{rows: rows512, step: 32, lanes: 16, columns: columnsVNNI}).product
	return f
}()

// A step of dots4 and dots1 is 64 bytes of two columns, side by side, and 32 of a row, which
// meet both; sums are (dotRows, 4, 16): 8 groups of a column and of the other.
//
//	sums[r][p][l] = Σ_s w[r][s][2l%16]·x[p][s][2l] + w[r][s][2l%16+1]·x[p][s][2l+1]
//
// dots4 takes 4 pairs of columns, dots1 one; rows lie 16 steps apart, and so do pairs. steps
// is even.
const dotRows = 6

//go:noescape
func dots4(sums, w, x at, steps int)

//go:noescape
func dots1(sums, w, x at, steps int)

// columnsVNNI multiplies the rows of a tile, block b of them, by all columns.
func columnsVNNI(in *Input, b int, halves bool, t *tile, rows int, acc at) {
	pairs, first := (in.N+1)/2, b*upTo(in.N, manyRows)/2
	for p, n := 0, 0; p < pairs; p += n {
		n = 1
		if pairs-p > 2 {
			n = 4 // three cost more one by one
		}
		x, e := at(&in.m[(first+p)*2*wide]), at(&in.e[(first+p)*32])
		for r := 0; r < rows; r += dotRows {
			w, ab, to := at(&t.w[r*2*wide]), at(&t.ab[r*32]), add(acc, (p*tileRows+r)*64)
			switch {
			case !halves && n == 4:
				dots4(at(&t.sums[0]), w, x, 16)
			case !halves:
				dots1(at(&t.sums[0]), w, x, 16)
			case n == 4:
				dots4(at(&t.sums[0]), w, x, 8)
				dots4(at(&t.sums[1]), add(w, wide), add(x, 2*wide), 8)
			default:
				dots1(at(&t.sums[0]), w, x, 8)
				dots1(at(&t.sums[1]), add(w, wide), add(x, 2*wide), 8)
			}
			if halves {
				halvesVNNI(at(&t.sums[0]), at(&t.sums[1]), e, ab, to, n)
			} else {
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
