package cpu

import (
	"math"

	"eclat/loader/quant"
	"eclat/model"
)

// kernel is how an op is computed: in parts, which workers take as they are free.
type kernel struct {
	before func(p *program, s *step) // alone, before the parts; may be nil
	parts  func(p *program, s *step) int
	part   func(p *program, s *step, worker, part int)
}

// kernels is the table of ops.
var kernels = [model.NumOps]kernel{
	model.Embed:     {nil, whole, embed}, // copies: nothing to gain from more workers
	model.RMSNorm:   {nil, (*program).rows, rmsNormRow},
	model.MatMul:    {nil, matMulParts, matMulPart},
	model.RoPE:      {turn, (*program).rows, ropeRow},
	model.Store:     {nil, (*program).rows, storeRow},
	model.Attention: {nil, attentionParts, attentionPart},
	model.Conv:      {nil, convParts, convPart},
	model.SwiGLU:    {nil, (*program).rows, swiGLURow},
	model.Add:       {nil, whole, add},
	model.Mul:       {nil, whole, mul},
	model.Gather:    {nil, whole, gather},
	model.Sample:    {nil, (*program).rows, chooseRow},
}

// whole makes an op one part.
func whole(*program, *step) int { return 1 }

func embed(p *program, s *step, _, _ int) {
	next := p.batch.Rows
	for i, id := range p.batch.Tokens {
		dst := row(s.dst, i, s.dstCols)
		if id >= 0 {
			quant.Decode(s.matrix.Type, dst, row(s.matrix.Data, int(id), s.matrix.RowBytes))
		} else {
			next = next[copy(dst, next):]
		}
	}
}

func rmsNormRow(_ *program, s *step, _, i int) {
	x, dst, group := row(s.src[0], i, s.dstCols), row(s.dst, i, s.dstCols), int(s.Arg[1])
	for g := 0; g < len(x); g += group {
		rmsNorm(dst[g:][:group], x[g:][:group], s.src[1], s.ArgFloat(0))
	}
}

// rmsNorm computes dst = x / sqrt(mean(x²) + eps) · w. It sums in float64: the squares
// of large activations leave float32's range.
func rmsNorm(dst, x, w []float32, eps float32) {
	n := len(x)
	dst, w = dst[:n], w[:n]
	var s0, s1 float64
	for j := 0; j+1 < n; j += 2 {
		s0 += float64(x[j]) * float64(x[j])
		s1 += float64(x[j+1]) * float64(x[j+1])
	}
	if n%2 == 1 {
		s0 += float64(x[n-1]) * float64(x[n-1])
	}
	scale := float32(1 / math.Sqrt((s0+s1)/float64(n)+float64(eps)))
	for j, v := range x {
		dst[j] = v * scale * w[j]
	}
}

// matRows is how many rows of a weight make one part: enough work to be worth
// waking a goroutine for, few enough that all get some.
const matRows = 32

func matMulParts(p *program, s *step) int {
	if p.rows(s) == 0 { // no answer wanted
		return 0
	}
	return (s.dstCols + matRows - 1) / matRows
}

// matMulPart decodes each of its weight rows once and multiplies it by every
// token's activations.
func matMulPart(p *program, s *step, worker, part int) {
	k, m, n := s.srcCols[0], s.dstCols, p.rows(s)
	w := p.b.scratch[worker][:k]
	for j := part * matRows; j < min((part+1)*matRows, m); j++ {
		quant.Decode(s.matrix.Type, w, row(s.matrix.Data, j, s.matrix.RowBytes))
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

// turn computes the run's cosines and sines when it meets a table for the first
// time in a layer stack; all layers share them.
func turn(p *program, s *step) {
	r := s.Arg[1]
	if p.turned[r] {
		return
	}
	p.turned[r] = true
	t, axes := &p.plan.Ropes[r], p.plan.Axes
	for i := range p.last.Tokens {
		pos, out := p.batch.Pos[i*axes:][:axes], row(p.turns[r], i, 2*len(t.Freq))
		for j, freq := range t.Freq {
			at := pos[0]
			if t.Axis != nil {
				at = pos[t.Axis[j]]
			}
			sin, cos := math.Sincos(float64(at) * freq)
			out[2*j], out[2*j+1] = float32(cos)*t.Scale, float32(sin)*t.Scale
		}
	}
}

func ropeRow(p *program, s *step, _, i int) {
	headDim, r := int(s.Arg[0]), s.Arg[1]
	turn := row(p.turns[r], i, 2*len(p.plan.Ropes[r].Freq))
	x, dst := row(s.src[0], i, s.dstCols), row(s.dst, i, s.dstCols)
	for h := 0; h < len(x); h += headDim {
		x, dst := x[h:][:headDim], dst[h:][:headDim]
		if p.plan.Ropes[r].Halves {
			turnHalves(dst, x, turn)
		} else {
			turnNeighbours(dst, x, turn)
		}
		copy(dst[len(turn):], x[len(turn):])
	}
}

// turnNeighbours turns the pairs (x[2j], x[2j+1]).
func turnNeighbours(dst, x, turn []float32) {
	for j := 0; j < len(turn); j += 2 {
		cos, sin := turn[j], turn[j+1]
		dst[j] = x[j]*cos - x[j+1]*sin
		dst[j+1] = x[j]*sin + x[j+1]*cos
	}
}

// turnHalves turns the pairs (x[j], x[j+n]), n of them.
func turnHalves(dst, x, turn []float32) {
	n := len(turn) / 2
	for j := range n {
		cos, sin := turn[2*j], turn[2*j+1]
		dst[j] = x[j]*cos - x[j+n]*sin
		dst[j+n] = x[j]*sin + x[j+n]*cos
	}
}

func storeRow(p *program, s *step, _, i int) {
	m, pos := s.kept[0], p.position(i)
	r := int(p.table(i, m)[pos/model.PageLen])*model.PageLen + pos%model.PageLen
	m.set(r*s.dstCols, row(s.src[0], i, s.dstCols))
}

// convCols is how many channels make one part.
const convCols = 64

func convParts(p *program, s *step) int {
	return len(p.batch.Seqs) * ((s.dstCols + convCols - 1) / convCols)
}

// convPart computes some channels of one sequence:
//
//	dst[i][c] = Σ_k w[c][k]·x[i−K+1+k][c]   (rows before the run's first: the slot's)
//
// and leaves their last K−1 rows in the slot.
func convPart(p *program, s *step, _, part int) {
	blocks, cols, taps := (s.dstCols+convCols-1)/convCols, s.dstCols, s.srcCols[1]
	seq, from := part/blocks, part%blocks*convCols
	first, n := int(p.first[seq]), p.batch.Seqs[seq].N
	slot := row(s.kept[2].full, int(p.table(first, s.kept[2])[0]), s.srcCols[2])
	begins := p.position(first) == 0
	for c := from; c < min(from+convCols, cols); c++ {
		if begins {
			for k := range taps - 1 {
				slot[k*cols+c] = 0
			}
		}
		w := row(s.src[1], c, taps)
		for i := range n {
			var sum float32
			for k := range taps {
				if at := i - taps + 1 + k; at < 0 {
					sum += w[k] * slot[(at+taps-1)*cols+c]
				} else {
					sum += w[k] * s.src[0][(first+at)*cols+c]
				}
			}
			s.dst[(first+i)*cols+c] = sum
		}
		for k := range taps - 1 {
			if at := n - taps + 1 + k; at < 0 {
				slot[k*cols+c] = slot[(at+taps-1)*cols+c]
			} else {
				slot[k*cols+c] = s.src[0][(first+at)*cols+c]
			}
		}
	}
}

func swiGLURow(_ *program, s *step, _, i int) {
	gate, up, dst := row(s.src[0], i, s.dstCols), row(s.src[1], i, s.dstCols), row(s.dst, i, s.dstCols)
	for j, x := range gate {
		dst[j] = x / (1 + float32(math.Exp(float64(-x)))) * up[j]
	}
}

func add(p *program, s *step, _, _ int) {
	bias := p.plan.Tensors[s.Src[1]].Kind == model.Weight
	for i := range p.rows(s) {
		x, y, dst := row(s.src[0], i, s.dstCols), s.src[1], row(s.dst, i, s.dstCols)
		if !bias {
			y = row(y, i, s.dstCols)
		}
		for j, v := range x {
			dst[j] = v + y[j]
		}
	}
}

func mul(p *program, s *step, _, _ int) {
	for i := range p.rows(s) * s.dstCols {
		s.dst[i] = s.src[0][i] * s.src[1][i]
	}
}

func gather(p *program, s *step, _, _ int) {
	for i, want := range p.batch.Want {
		copy(row(s.dst, i, s.dstCols), row(s.src[0], int(want), s.dstCols))
	}
}

func chooseRow(p *program, s *step, worker, i int) {
	p.tokens[i] = -1
	if how := p.batch.How[i]; !how.Logits {
		pos := int32(p.position(int(p.batch.Want[i])))
		p.tokens[i] = p.b.samplers[worker].Pick(row(s.src[0], i, s.srcCols[0]), how, pos)
	}
}
