//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"
	"unsafe"

	"eclat/loader"
	"eclat/loader/quant"
)

// tile is tileRows rows of a weight, wide elements of them at a time, unpacked once for
// all columns. A step of the kernels multiplies a pair of elements of each of eight
// groups at once, so that 16 steps give the sums of the groups in eight lanes, without
// a fold; with 512 bits two rows lie side by side.
type tile struct {
	w     [tileRows * 2 * wide]byte // integers, 16 bits each
	ab    [tileRows * 16]float32    // (rows/2, 2, 16) or (rows, 2, 8): block.a and block.b
	first [6 * 16]float32           // with halves: the first products of a kernel's terms
	block block
	tail  [tailBytes]byte // the last blocks of a row, with zeros behind
}

// tailBytes is four blocks of the largest type of wide elements.
const tailBytes = 4 * 272

// vectorKernels is where the two vector forms differ in products.
type vectorKernels struct {
	row   func(t quant.Type, k at, in *Input, i int, acc at, s *Scratch) // one row of the input
	step  int                                                            // bytes of a step in a tile
	cols  func(halves bool, t *tile, x, y, ex, ey, acc at)               // two columns and a tile
	odd   int                                                            // where the chains of a pair of rows' second lie among a pair of columns', in floats
	other int                                                            // and those of the second column
}

// product is Product, with the kernels of a form.
func (k *vectorKernels) product(in *Input, w *loader.Tensor, from, to int, dst []float32, ld int, s *Scratch) {
	for ; from < to; from += tileRows {
		n := min(tileRows, to-from)
		switch {
		case in.order == floats:
			productFloats(in, w, from, n, dst, ld, s)
		case in.order == spread:
			k.tile(in, w, from, n, s)
			for i := range in.N {
				acc := s.acc[i/2*tileRows*16+i%2*k.other:]
				finish(dst[i*ld+from:][:n], at(&acc[0]), k.odd, 32)
			}
		default:
			clear(s.acc[:in.N*tileRows*8])
			for r := range n {
				for i := range in.N {
					k.row(w.Type, at(&w.Data[(from+r)*w.RowBytes]), in, i, at(&s.acc[(i*tileRows+r)*8]), s)
				}
			}
			for i := range in.N {
				finish(dst[i*ld+from:][:n], at(&s.acc[i*tileRows*8]), 8, 16)
			}
		}
	}
	v.ClearAVXUpperBits()
}

// finish adds the chains of rows and flushes; those of a row lie odd floats from the row
// before in its pair, and a pair lies pair floats from the one before.
func finish(dst []float32, acc at, odd, pair int) {
	p := at(unsafe.SliceData(dst))
	for n := len(dst); n > 0; n -= 4 {
		sums := trees(f32x8(acc, 0), f32x8(acc, 4*odd), f32x8(acc, 4*pair), f32x8(acc, 4*(pair+odd)))
		if n < 4 {
			var out [4]float32
			sums.Store(&out)
			copy(dst[len(dst)-n:], out[:])
			return
		}
		sums.Store((*[4]float32)(p))
		p, acc = add(p, 16), add(acc, 8*pair)
	}
}

// tile multiplies n rows from row from on by all columns.
func (k *vectorKernels) tile(in *Input, w *loader.Tensor, from, n int, s *Scratch) {
	pairs := (in.N + 1) / 2
	clear(s.acc[:pairs*tileRows*16])
	size, t := bytesOf(w.Type), &s.tile
	for b := range in.blocks {
		elems := min(wide, in.Cols-b*wide)
		for r := range tileRows {
			row := min(from+r, from+n-1)
			k.unpack(t, r, w.Type, at(&w.Data[row*w.RowBytes+b*size]), elems)
		}
		for c := range pairs {
			i, j := b*in.N+2*c, b*in.N+min(2*c+1, in.N-1)
			k.cols(w.Type == quant.Q6_K, t, at(&in.m[i*2*wide]), at(&in.m[j*2*wide]), at(&in.e[i*32]), at(&in.e[j*32]), at(&s.acc[c*tileRows*16]))
		}
	}
}

// unpack writes wide weights at k as row r of the tile.
func (k *vectorKernels) unpack(t *tile, r int, ty quant.Type, src at, n int) {
	o := &t.block
	if k.step == 32 {
		o.unpack(ty, src, n)
		fill(at(&t.w[r*512]), at(&o.q), 32)
		ab := at(&t.ab[r*16])
		putF8(ab, 0, f32x8(at(&o.a), 0))
		putF8(ab, 32, f32x8(at(&o.b), 0))
		return
	}
	w := at(&t.w[r/2*1024+r%2*32])
	switch ty {
	case quant.Q4_K:
		o.groupsK(src)
		fillQ4K(w, src)
	case quant.Q6_K:
		o.scales6(src)
		fillQ6K(w, src)
	default:
		o.unpack(ty, src, n)
		fill(w, at(&o.q), 64)
	}
	ab := at(&t.ab[r/2*32+r%2*8])
	putF8(ab, 0, f32x8(at(&o.a), 0))
	putF8(ab, 64, f32x8(at(&o.b), 0))
}
