package cpu

import (
	"math"

	"eclat/loader/quant"
	"eclat/model"
)

// fastKernels shares each op's rows out to the pool. The body that a goroutine
// runs is bound to its step once, in bind.
var fastKernels = kernels{
	model.Embed:     refEmbed, // copies: nothing to gain
	model.RMSNorm:   inParts,
	model.MatMul:    matMul,
	model.RoPE:      rope,
	model.Store:     inParts,
	model.Attention: attention,
	model.SwiGLU:    inParts,
	model.Add:       refAdd,
	model.Gather:    refGather,
	model.Sample:    refSample,
}

// bind makes the body of each op that works in parts.
func (p *program) bind(s *step) {
	switch s.Op {
	case model.RMSNorm:
		s.part = func(_, i int) { p.rmsNormRow(s, i) }
	case model.MatMul:
		s.part = func(worker, part int) { p.matMulPart(s, worker, part) }
	case model.RoPE:
		s.part = func(_, i int) { p.ropeRow(s, i) }
	case model.Store:
		s.part = func(_, i int) { p.storeRow(s, i) }
	case model.Attention:
		s.part = func(worker, part int) { p.attentionPart(s, worker, part) }
	case model.SwiGLU:
		s.part = func(_, i int) { p.swigluRow(s, i) }
	}
}

// inParts runs one part a row.
func inParts(p *program, s *step) { p.b.pool.run(&p.job, p.rows(s), s.part) }

// rmsNormRow sums in float64: the squares of large activations leave float32's range.
func (p *program) rmsNormRow(s *step, i int) {
	n, w := s.dstCols, s.src[1]
	x, dst := row(s.src[0], i, n), row(s.dst, i, n)
	var s0, s1 float64
	for j := 0; j+1 < n; j += 2 {
		s0 += float64(x[j]) * float64(x[j])
		s1 += float64(x[j+1]) * float64(x[j+1])
	}
	if n%2 == 1 {
		s0 += float64(x[n-1]) * float64(x[n-1])
	}
	scale := float32(1 / math.Sqrt((s0+s1)/float64(n)+float64(s.ArgFloat(0))))
	for j, v := range x {
		dst[j] = v * scale * w[j]
	}
}

func (p *program) storeRow(s *step, i int) {
	dst := row(s.cache[0], p.cacheRow(i, int(p.in.Pos[i])), s.dstCols)
	for j, v := range row(s.src[0], i, s.dstCols) {
		dst[j] = toHalf(v)
	}
}

func (p *program) swigluRow(s *step, i int) {
	gate, up, dst := row(s.src[0], i, s.dstCols), row(s.src[1], i, s.dstCols), row(s.dst, i, s.dstCols)
	for j, x := range gate {
		dst[j] = x / (1 + float32(math.Exp(float64(-x)))) * up[j]
	}
}

// rope computes the run's cosines and sines when it meets a table for the first
// time in a layer stack; all layers share them.
func rope(p *program, s *step) {
	r := s.Arg[1]
	if p.turned&(1<<r) == 0 {
		p.turn(int(r))
		p.turned |= 1 << r
	}
	p.b.pool.run(&p.job, p.rows(s), s.part)
}

func (p *program) turn(r int) {
	t := p.plan.Ropes[r]
	for i, pos := range p.in.Pos {
		out := row(p.turns[r], i, 2*len(t.Freq))
		for j, freq := range t.Freq {
			sin, cos := math.Sincos(float64(pos) * freq)
			out[2*j], out[2*j+1] = float32(cos)*t.Scale, float32(sin)*t.Scale
		}
	}
}

func (p *program) ropeRow(s *step, i int) {
	headDim := int(s.Arg[0])
	turn := row(p.turns[s.Arg[1]], i, 2*len(p.plan.Ropes[s.Arg[1]].Freq))
	x, dst := row(s.src[0], i, s.dstCols), row(s.dst, i, s.dstCols)
	for h := 0; h < len(x); h += headDim {
		x, dst := x[h:][:headDim], dst[h:][:headDim]
		for j := 0; j < len(turn); j += 2 {
			cos, sin := turn[j], turn[j+1]
			dst[j] = x[j]*cos - x[j+1]*sin
			dst[j+1] = x[j]*sin + x[j+1]*cos
		}
		copy(dst[len(turn):], x[len(turn):])
	}
}

// matRows is how many rows of a weight make one part: enough work to be worth
// waking a goroutine for, few enough that all get some.
const matRows = 32

func matMul(p *program, s *step) {
	if p.rows(s) > 0 {
		p.b.pool.run(&p.job, (s.dstCols+matRows-1)/matRows, s.part)
	}
}

// matMulPart decodes each of its weight rows once and multiplies it by every
// token's activations.
func (p *program) matMulPart(s *step, worker, part int) {
	k, m, n := s.srcCols[0], s.dstCols, p.rows(s)
	w := p.scratch[worker][:k]
	for j := part * matRows; j < min((part+1)*matRows, m); j++ {
		quant.Decode(s.weight.Type, w, row(s.weight.Data, j, s.weight.RowBytes))
		for i := range n {
			s.dst[i*m+j] = dot(w, row(s.src[1], i, k))
		}
	}
}

// dot is Σ a[i]·b[i] in eight running sums, which also keeps rounding small.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	b = b[:len(a)]
	for len(a) >= 8 {
		x, y := a[:8:8], b[:8:8]
		s0 += x[0] * y[0]
		s1 += x[1] * y[1]
		s2 += x[2] * y[2]
		s3 += x[3] * y[3]
		s4 += x[4] * y[4]
		s5 += x[5] * y[5]
		s6 += x[6] * y[6]
		s7 += x[7] * y[7]
		a, b = a[8:], b[8:]
	}
	for i, x := range a {
		s0 += x * b[i]
	}
	return (s0 + s4) + (s1 + s5) + ((s2 + s6) + (s3 + s7))
}

// attention runs one part a token and query head.
func attention(p *program, s *step) {
	p.b.pool.run(&p.job, p.rows(s)*int(s.Arg[0]), s.part)
}

func (p *program) attentionPart(s *step, worker, part int) {
	nHead, nKV, dimK, dimV, scale := int(s.Arg[0]), int(s.Arg[1]), int(s.Arg[2]), int(s.Arg[3]), s.ArgFloat(4)
	i, h := part/nHead, part%nHead
	g, n := h/(nHead/nKV), int(p.in.Pos[i])+1
	q, dst := row(s.src[0], part, dimK), row(s.dst, part, dimV)
	a := p.scratch[worker][:n]
	table := p.in.Pages[p.in.Seq[i]]

	top := float32(math.Inf(-1))
	for t := range a {
		r := int(table[t/model.PageLen])*model.PageLen + t%model.PageLen
		var s0, s1 float32
		k := row(s.cache[0], r*nKV+g, dimK)
		for d := 0; d+1 < len(k); d += 2 {
			s0 += q[d] * quant.HalfToFloat(k[d])
			s1 += q[d+1] * quant.HalfToFloat(k[d+1])
		}
		if dimK%2 == 1 {
			s0 += q[dimK-1] * quant.HalfToFloat(k[dimK-1])
		}
		a[t] = (s0 + s1) * scale
		top = max(top, a[t])
	}
	var sum float64
	for t, x := range a {
		e := math.Exp(float64(x - top))
		a[t] = float32(e)
		sum += e
	}
	clear(dst)
	for t, x := range a {
		x *= float32(1 / sum)
		r := int(table[t/model.PageLen])*model.PageLen + t%model.PageLen
		for d, v := range row(s.cache[1], r*nKV+g, dimV) {
			dst[d] += x * quant.HalfToFloat(v)
		}
	}
}
