package kernel

import (
	"math"

	"eclat/loader/quant"
	"eclat/model/numerics"
)

func normPlain(dst, x, w []float32, eps float32) {
	inv := float32(1 / float64(len(x)))
	scaleRow(dst, x, w, numerics.RSqrt(float32(sumSquares(x)*inv)+eps))
}

// sumSquares is Σx²: element k belongs to chain k mod 256.
func sumSquares(x []float32) float32 {
	var c [256]float32
	for len(x) > 0 {
		n := min(len(c), len(x))
		for k, v := range x[:n] {
			c[k] += float32(v * v)
		}
		x = x[n:]
	}
	return neighbours(&c)
}

// neighbours adds neighbours until one is left.
func neighbours(c *[256]float32) float32 {
	for n := len(c) / 2; n > 0; n /= 2 {
		for i := range n {
			c[i] = c[2*i] + c[2*i+1]
		}
	}
	return c[0]
}

// scaleRow computes dst = Flush((x·r)·w).
func scaleRow(dst, x, w []float32, r float32) {
	dst, w = dst[:len(x)], w[:len(x)]
	for j, v := range x {
		dst[j] = numerics.Flush(float32(float32(v*r) * w[j]))
	}
}

func scalePlain(dst, x []float32, by float32) {
	dst = dst[:len(x)]
	for j, v := range x {
		dst[j] = numerics.Flush(float32(v * by))
	}
}

func swiGLUPlain(dst, gate, up []float32) {
	dst, up = dst[:len(gate)], up[:len(gate)]
	for j, x := range gate {
		dst[j] = numerics.Flush(float32(numerics.SiLU(x) * up[j]))
	}
}

func queriesPlain(q []float32, first, heads, dim int, s *Scratch) {
	copy(s.q[first*dim:], q[:heads*dim])
}

// scoresPlain keeps the eight chains of all positions of the page.
func scoresPlain(a []float32, k Kept, heads, dim int, scale float32, s *Scratch) {
	var row [Page]float32
	for h := range heads {
		var chains [8][Page]float32
		for d, q := range s.q[h*dim:][:dim] {
			c := &chains[d>>3&7]
			for t, v := range k.keys(&row, d) {
				c[t] += float32(q * v)
			}
		}
		out := a[h*Span:][:Page]
		for t := range out {
			var c [8]float32
			for i := range c {
				c[i] = chains[i][t]
			}
			out[t] = numerics.Flush(float32(tree(c[:]) * scale))
		}
	}
}

// keys returns element d of the keys of a page, decoded to row where they are no floats.
func (k Kept) keys(row *[Page]float32, d int) []float32 {
	if k.Scales == nil {
		return k.floats(row, d*Page, Page)
	}
	for t, scale := range k.Scales[d/numerics.BlockLen*Page:][:Page] {
		if k.Eight != nil {
			row[t] = numerics.Kept(int8(k.Eight[d*Page+t]), scale)
		} else {
			row[t] = numerics.Kept(int8(k.Four[d/2*Page+t]>>(d%2*4)&15)-8, scale)
		}
	}
	return row[:]
}

// values returns n ≤ Page elements of a value from element at on, likewise.
func (k Kept) values(row *[Page]float32, at, n int) []float32 {
	if k.Scales == nil {
		return k.floats(row, at, n)
	}
	for i := range n {
		e := at + i
		if k.Eight != nil {
			row[i] = numerics.Kept(int8(k.Eight[e]), k.Scales[e/numerics.BlockLen])
		} else {
			row[i] = numerics.Kept(int8(k.Four[e/2]>>(e%2*4)&15)-8, k.Scales[e/numerics.BlockLen])
		}
	}
	return row[:n]
}

// floats returns n ≤ Page elements from element at on, decoded to row where they are halves.
func (k Kept) floats(row *[Page]float32, at, n int) []float32 {
	if k.Full != nil {
		return k.Full[at:][:n]
	}
	for i, h := range k.Half[at:][:n] {
		row[i] = quant.HalfToFloat(h)
	}
	return row[:n]
}

func weightsPlain(a []float32, n, heads int, top, sum []float32) {
	for h := range heads {
		a := a[h*Span:][:n]
		most := float32(math.Inf(-1))
		for _, s := range a {
			most = max(most, s)
		}
		top[h], sum[h] = float32(math.Ceil(float64(most))), 0
		for t, s := range a {
			a[t] = numerics.Weight(s, top[h])
			sum[h] += a[t]
		}
	}
}

func mixPlain(o, a []float32, v Kept, n, stride, heads, dim int, _ *Scratch) {
	var row [Page]float32
	for d := 0; d < dim; d += Page {
		part := min(Page, dim-d)
		for t := range n {
			values := v.values(&row, t*stride+d, part)
			for h := range heads {
				w, o := a[h*Span+t], o[h*dim+d:][:part]
				for j, x := range values {
					o[j] += float32(w * x)
				}
			}
		}
	}
}
