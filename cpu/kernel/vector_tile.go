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
// a fold; with 512 bits two blocks of a row lie side by side.
type tile struct {
	w     [tileRows * 4 * wide]byte        // integers, 16 bits each
	ab    [tileRows * 32]float32           // (rows, 2, lanes): block.a and block.b
	first [8 * 16]float32                  // with halves: the first products of a kernel's terms
	sums  [2][dotRows * manyRows * 8]int32 // of the vnni form, (dotRows, manyRows, 8); with halves two
	block block
	heads [64]byte // the headers of a row's last blocks, with zeros behind
}

// vectorKernels is where the two vector forms differ in products.
type vectorKernels struct {
	// rows adds the terms of n rows of a weight, from k on, and all rows of the input to
	// their chains, (in.N, tileRows, 8)
	rows  func(t quant.Type, k at, n int, in *Input, acc at, s *Scratch)
	step  int // bytes of a step in a tile: 32 for each block
	lanes int // of a vector of floats
	// blocks unpacks a block of each of n rows, the first at k and the others stride bytes on,
	// and says whether it knows the type; nil where it knows none
	blocks func(t *tile, ty quant.Type, k at, stride, n int) bool
	// columns adds the terms of rows of a tile, block b and its neighbours, and all columns
	columns func(in *Input, b int, halves bool, t *tile, rows int, acc at)
}

// product is Product, with the kernels of a form.
func (k *vectorKernels) product(in *Input, w *loader.Tensor, from, to int, dst []float32, ld int, s *Scratch) {
	for ; from < to; from += tileRows {
		n := min(tileRows, to-from)
		switch {
		case in.order == floats:
			productFloats(in, w, from, n, dst, ld, s)
		case in.order >= spread:
			k.tile(in, w, from, n, s)
			if k.lanes == 16 {
				finishPairs(in, from, n, dst, ld, s)
				break
			}
			for i := range in.N {
				finish(dst[in.to(i)*ld+from:][:n], at(&s.acc[i/2*tileRows*16+i%2*8]), 16)
			}
		default:
			clear(s.acc[:in.N*tileRows*8])
			if ownRow(w.Type) {
				k.rows(w.Type, at(&w.Data[from*w.RowBytes]), n, in, at(unsafe.SliceData(s.acc)), s)
			} else {
				rowsUnpacked(in, w, from, n, s)
			}
			for i := range in.N {
				finish(dst[in.to(i)*ld+from:][:n], at(&s.acc[i*tileRows*8]), 8)
			}
		}
		v.ClearAVXUpperBits() // what the next rows begin with is no vectors
	}
}

// finish adds the chains of rows and flushes; those of a row lie step floats from those
// of the row before.
func finish(dst []float32, acc at, step int) {
	p := at(unsafe.SliceData(dst))
	for n := len(dst); n > 0; n -= 4 {
		sums := trees(f32x8(acc, 0), f32x8(acc, 4*step), f32x8(acc, 8*step), f32x8(acc, 12*step))
		if n < 4 {
			var out [4]float32
			sums.Store(&out)
			copy(dst[len(dst)-n:], out[:])
			return
		}
		sums.Store((*[4]float32)(p))
		p, acc = add(p, 16), add(acc, 16*step)
	}
}

// tile multiplies n rows from row from on by all columns.
func (k *vectorKernels) tile(in *Input, w *loader.Tensor, from, n int, s *Scratch) {
	clear(s.acc[:upTo(in.N, 2)*tileRows*8])
	t, blocks, size, halves := s.tile, k.step/32, bytesOf(w.Type), w.Type.Halves()
	for b := 0; b < in.blocks; b += blocks {
		rows := n
		if k.blocks != nil && in.Cols-b*wide >= wide && k.blocks(t, w.Type, at(&w.Data[from*w.RowBytes+b*size]), w.RowBytes, n) {
			rows = 0
		}
		for r := range rows {
			for o := range blocks {
				if elems := min(wide, in.Cols-(b+o)*wide); elems > 0 {
					k.unpack(t, r, o, w.Type, at(&w.Data[(from+r)*w.RowBytes+(b+o)*size]), elems)
				} else {
					k.nothing(t, r, o)
				}
			}
		}
		k.columns(in, b, halves, t, n, at(unsafe.SliceData(s.acc)))
	}
}

// twoByTwo is columns with a kernel of two; the last is taken twice where they are odd.
func twoByTwo(cols func(halves bool, t *tile, rows int, x, y, ex, ey, acc at)) func(in *Input, b int, halves bool, t *tile, rows int, acc at) {
	return func(in *Input, b int, halves bool, t *tile, rows int, acc at) {
		for c := 0; c < in.N; c += 2 {
			i, _, _ := in.place(c, b)
			j, _, _ := in.place(min(c+1, in.N-1), b)
			cols(halves, t, rows, at(&in.m[i*wide]), at(&in.m[j*wide]), at(&in.e[i*16]), at(&in.e[j*16]), acc)
			acc = add(acc, tileRows*64)
		}
	}
}

// unpack writes the n ≤ wide weights at src as block o of row r of the tile.
func (k *vectorKernels) unpack(t *tile, r, o int, ty quant.Type, src at, n int) {
	b, w := &t.block, at(&t.w[r*16*k.step+32*o])
	switch {
	case ty == quant.Q4_K && k.lanes == 16:
		b.groupsK(src)
		fillQ4K(w, src, k.step)
	case ty == quant.Q5_K && k.lanes == 16:
		b.groupsK(src)
		fillQ5K(w, src, k.step)
	case ty == quant.Q6_K && k.lanes == 16:
		b.scales6(src)
		fillQ6K(w, src, k.step)
	default:
		b.unpack(ty, src, n)
		fill(w, at(&b.q), k.step)
	}
	k.factors(t, r, o, f32x8(at(&b.a), 0), f32x8(at(&b.b), 0))
}

// nothing makes block o of row r of the tile zero, whatever its integers are.
func (k *vectorKernels) nothing(t *tile, r, o int) {
	var zero v.Float32x8
	k.factors(t, r, o, zero, zero)
}

// factors writes the factors of the terms of block o of row r. Where a step has one block
// and a vector two, of two columns, they are there for both.
func (k *vectorKernels) factors(t *tile, r, o int, a, b v.Float32x8) {
	ab := at(&t.ab[2*r*k.lanes+8*o])
	putF8(ab, 0, a)
	putF8(ab, 4*k.lanes, b)
	if 4*k.lanes > k.step {
		putF8(ab, 32, a)
		putF8(ab, 4*k.lanes+32, b)
	}
}
