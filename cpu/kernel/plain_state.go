package kernel

import "eclat/model/numerics"

func l2NormPlain(dst, x []float32, eps float32) {
	l2Scale(dst, x, numerics.RSqrt(sumSquares(x)+eps))
}

// l2Scale computes dst = Flush(x·r).
func l2Scale(dst, x []float32, r float32) {
	dst = dst[:len(x)]
	for j, v := range x {
		dst[j] = numerics.Flush(float32(v * r))
	}
}

// stateBlock is how many columns the plain form takes at once.
const stateBlock = 16

// chains4 are the four chains of some columns.
type chains4 [4][stateBlock]float32

// sum adds the chains of column j.
func (c *chains4) sum(j int) float32 { return (c[0][j] + c[1][j]) + (c[2][j] + c[3][j]) }

func deltaPlain(dst, h []float32, stride int, q, k, v []float32, decay, beta, scale float32) {
	for from := 0; from < len(v); from += stateBlock {
		n := min(stateBlock, len(v)-from)
		var read chains4
		for i, x := range k {
			c := &read[i&3]
			for j, old := range h[i*stride+from:][:n] {
				c[j] += float32(numerics.Flush(float32(decay*old)) * x)
			}
		}
		var d [stateBlock]float32
		for j := range n {
			d[j] = numerics.Flush(float32(beta * (v[from+j] - numerics.Flush(read.sum(j)))))
		}
		answer := update(h[from:], stride, q, k, d[:n], decay)
		for j := range n {
			dst[from+j] = numerics.Flush(float32(answer.sum(j) * scale))
		}
	}
}

func scanPlain(dst, h []float32, stride int, q, k, v []float32, decay, dt, skip float32) {
	for from := 0; from < len(v); from += stateBlock {
		n := min(stateBlock, len(v)-from)
		var d [stateBlock]float32
		for j := range n {
			d[j] = numerics.Flush(float32(dt * v[from+j]))
		}
		answer := update(h[from:], stride, q, k, d[:n], decay)
		for j := range n {
			dst[from+j] = numerics.Flush(answer.sum(j) + float32(skip*v[from+j]))
		}
	}
}

// update computes h = Flush(Flush(decay·h) + k[i]·d[j]) and returns the chains of h with q.
func update(h []float32, stride int, q, k, d []float32, decay float32) (answer chains4) {
	for i, x := range k {
		c, y := &answer[i&3], q[i]
		row := h[i*stride:][:len(d)]
		for j, old := range row {
			row[j] = numerics.Flush(numerics.Flush(float32(decay*old)) + float32(x*d[j]))
			c[j] += float32(row[j] * y)
		}
	}
	return answer
}
