//go:build goexperiment.simd && amd64

package kernel

import (
	v "simd/archsimd"
	"unsafe"

	"eclat/loader"
	"eclat/loader/quant"
)

// ownRow reports whether a form multiplies rows of a type from the registers. Of the
// others a block is unpacked to memory, once for all rows of activations.
func ownRow(t quant.Type) bool {
	switch t {
	case quant.Q4_K, quant.Q5_K, quant.Q6_K, quant.Q8_0, quant.Q4_0, quant.IQ4_NL:
		return true
	}
	return false
}

// rowsUnpacked adds the terms of n rows of a weight, from row from on, to the chains of
// all rows of activations, which lie in natural order.
func rowsUnpacked(in *Input, w *loader.Tensor, from, n int, s *Scratch) {
	o, size := &s.tile.block, bytesOf(w.Type)
	add := addWhole
	if w.Type.Halves() {
		add = addHalves
	}
	for r := range n {
		row := w.Data[(from+r)*w.RowBytes:][:w.RowBytes]
		for b := range in.blocks {
			o.unpack(w.Type, at(&row[b*size]), min(wide, in.Cols-b*wide))
			for i := range in.N {
				first := i * in.padded
				add(o, at(&in.m[(first+b)*wide]), at(&in.e[first*32+b*8]), in.padded*32, at(&s.acc[(i*tileRows+r)*8]))
			}
		}
	}
}

// addWhole adds the terms of a block with a scale for each 32 weights to eight chains. e
// is 2^e; what else a term needs lies step bytes on.
func addWhole(o *block, x, e at, step int, acc at) {
	q := at(&o.q)
	a := add8(bytes256(q, 0, x, 0), bytes256(q, 32, x, 64), bytes256(q, 64, x, 128), bytes256(q, 96, x, 192))
	b := add8(bytes256(q, 128, x, 256), bytes256(q, 160, x, 320), bytes256(q, 192, x, 384), bytes256(q, 224, x, 448))
	t := ordered(a, b).ConvertToFloat32().Mul(f32x8(e, 0)).Mul(f32x8(at(&o.a), 0))
	t = t.Sub(f32x8(at(&o.b), 0).Mul(f32x8(add(e, step), 0)))
	putF8(acc, 0, f32x8(acc, 0).Add(t))
}

// addHalves is addWhole of a block with a scale for each 16 weights.
func addHalves(o *block, x, e at, step int, acc at) {
	q := at(&o.q)
	t0 := half256(q, x).ConvertToFloat32().Mul(f32x8(e, 0)).Mul(f32x8(at(&o.a), 0))
	t1 := half256(add(q, 16), add(x, 32)).ConvertToFloat32().Mul(f32x8(e, 0)).Mul(f32x8(at(&o.b), 0))
	m0 := f32x8(at(&o.m0), 0).Mul(f32x8(add(e, 2*step), 0))
	m1 := f32x8(at(&o.m1), 0).Mul(f32x8(add(e, 3*step), 0))
	putF8(acc, 0, f32x8(acc, 0).Add(t0.Add(t1).Sub(m0.Add(m1))))
}

// half256 is Σ q·x of 16 of each of the eight groups of 32.
func half256(q, x at) v.Int32x8 {
	a := add8(sixteen(q, 0, x, 0), sixteen(q, 32, x, 64), sixteen(q, 64, x, 128), sixteen(q, 96, x, 192))
	b := add8(sixteen(q, 128, x, 256), sixteen(q, 160, x, 320), sixteen(q, 192, x, 384), sixteen(q, 224, x, 448))
	return ordered(a, b)
}

func sixteen(q at, o int, x at, xo int) v.Int32x8 {
	return i8x16(q, o).ExtendToInt16().DotProductPairs(i16x16(x, xo))
}

// ordered adds the halves of two vectors of add8: eight sums in the order of the groups.
func ordered(a, b v.Int32x8) v.Int32x8 {
	return a.Select128FromPair(0, 2, b).Add(a.Select128FromPair(1, 3, b))
}

// any reads n ≤ wide weights of a type without a vector form here. What it calls computes
// outside vectors: see groups.
func (o *block) any(t quant.Type, k at, n int) {
	v.ClearAVXUpperBits()
	o.a, o.b, o.m0, o.m1 = [8]float32{}, [8]float32{}, [8]float32{}, [8]float32{}
	elems, size := t.Block()
	for at := 0; at < n; at += elems {
		quant.Unpack(t, &o.ints, unsafe.Slice((*byte)(k), size))
		copy(o.q[at:], o.ints.Q[:elems])
		for g := range elems / 32 {
			i, d, m := at/32+g, o.ints.D[2*g:], o.ints.Min[2*g:]
			switch o.a[i] = d[0]; {
			case o.ints.Halves && o.ints.Mins:
				o.b[i], o.m0[i], o.m1[i] = d[1], m[0], m[1]
			case o.ints.Halves:
				o.b[i] = d[1]
			case o.ints.Mins:
				o.b[i] = m[0]
			}
		}
		k = add(k, size)
	}
	clear(o.q[n:])
}
