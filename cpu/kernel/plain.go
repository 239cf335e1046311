package kernel

import (
	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model/numerics"
)

var plain = Form{
	Name: "plain", Round: roundPlain, Product: productPlain, Norm: normPlain, SwiGLU: swiGLUPlain,
	L2Norm: l2NormPlain, Scale: scalePlain, Delta: deltaPlain, Scan: scanPlain,
	Scores: scoresPlain, Weights: weightsPlain, Mix: mixPlain, Queries: queriesPlain,
}

// roundPlain writes the integers of row i in their natural order, and of each wide
// elements eight times 2^e and eight times 2^e·Σm to in.e.
func roundPlain(in *Input, i int, x []float32) {
	for b := range in.blocks {
		at := i*in.padded + b
		m, e := in.m[at*wide:][:wide], in.e[at*32:][:16]
		if in.order == floats {
			var q [wide]int16
			m = q[:]
		}
		for g := range 8 {
			from := min(b*wide+g*numerics.BlockLen, len(x))
			part := x[from:min(from+numerics.BlockLen, len(x))]
			scale, sum := numerics.RoundBlock(m[g*numerics.BlockLen:], part)
			e[g], e[8+g] = scale, float32(scale*float32(sum))
		}
		if in.order == floats {
			for k, v := range m {
				in.f[at*wide+k] = float32(float32(v) * e[k/numerics.BlockLen])
			}
		}
	}
}

// productPlain takes a row of w after the other; a block of it is unpacked once and
// multiplied by all rows of the input.
func productPlain(in *Input, w *loader.Tensor, from, to int, dst []float32, ld int, s *Scratch) {
	for j := from; j < to; j++ {
		row := w.Data[j*w.RowBytes : (j+1)*w.RowBytes]
		if !w.Type.Integers() {
			DecodeFlushed(w.Type, s.row[:in.Cols], row)
			for i := range in.N {
				dst[in.to(i)*ld+j] = numerics.Flush(dotFloats(s.row[:in.Cols], in.f[i*in.padded*wide:]))
			}
			continue
		}
		acc := s.acc[:8*in.N]
		clear(acc)
		elems, bytes := w.Type.Block()
		for b := 0; b < in.Cols; b += elems {
			quant.Unpack(w.Type, &s.ints, row[:bytes])
			row = row[bytes:]
			for i := range in.N {
				addBlock(acc[8*i:][:8], &s.ints, elems, b, in, i)
			}
		}
		for i := range in.N {
			dst[in.to(i)*ld+j] = numerics.Flush(tree(acc[8*i:][:8]))
		}
	}
}

// addBlock adds the terms of a block of elems weights, which begins with element b of
// its row, to the chains of row i.
func addBlock(chains []float32, v *quant.Ints, elems, b int, in *Input, i int) {
	at := i*in.padded + b/wide
	m, e := in.m[at*wide+b%wide:][:elems], in.e[at*32:][:16]
	for g := range elems / 32 {
		c := b%wide/32 + g
		lo, hi := dotInts(v.Q[32*g:], m[32*g:]), dotInts(v.Q[32*g+16:], m[32*g+16:])
		scale := e[c]
		var t float32
		if v.Halves {
			t = float32(v.D[2*g]*float32(scale*float32(lo))) + float32(v.D[2*g+1]*float32(scale*float32(hi)))
		} else {
			t = float32(v.D[2*g] * float32(scale*float32(lo+hi)))
		}
		switch {
		case v.Mins && v.Halves:
			lo, hi := sumInts(m[32*g:]), sumInts(m[32*g+16:])
			t -= float32(v.Min[2*g]*float32(scale*float32(lo))) + float32(v.Min[2*g+1]*float32(scale*float32(hi)))
		case v.Mins:
			t -= float32(v.Min[2*g] * e[8+c])
		}
		chains[c] += t
	}
}

// dotInts is Σ q·m over 16 elements.
func dotInts(q []int8, m []int16) (sum int32) {
	q, m = q[:16], m[:16]
	for k, v := range q {
		sum += int32(v) * int32(m[k])
	}
	return sum
}

// sumInts is Σm over 16 elements.
func sumInts(m []int16) (sum int32) {
	for _, v := range m[:16] {
		sum += int32(v)
	}
	return sum
}

// dotFloats is Σ w·x in eight chains, 8 elements to a chain at a time.
func dotFloats(w, x []float32) float32 {
	var c [8]float32
	x = x[:len(w)]
	for i := 0; len(w) > 0; i = (i + 1) & 7 {
		n := min(8, len(w))
		s := c[i]
		for k, v := range w[:n] {
			s += float32(v * x[k])
		}
		c[i], w, x = s, w[n:], x[n:]
	}
	return tree(c[:])
}

// tree adds eight chains.
func tree(c []float32) float32 {
	c = c[:8]
	return ((c[0] + c[1]) + (c[2] + c[3])) + ((c[4] + c[5]) + (c[6] + c[7]))
}

// DecodeFlushed decodes src, elements of type t, to dst, flushed.
func DecodeFlushed(t quant.Type, dst []float32, src []byte) {
	quant.Decode(t, dst, src)
	for k, v := range dst {
		dst[k] = numerics.Flush(v)
	}
}
