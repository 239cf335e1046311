package cpu

import (
	"eclat/cpu/kernel"
	"eclat/model"
	"eclat/model/numerics"
)

// opKernel is how an op is computed: in parts, which workers take as they are free.
type opKernel struct {
	before func(p *program, s *step) error // ends before the parts begin; may be nil
	parts  func(p *program, s *step) int
	part   func(p *program, s *step, worker, part int)
}

// kernels is the table of ops.
var kernels = [model.NumOps]opKernel{
	model.Embed:         {nil, whole, embed}, // copies: nothing to gain from more workers
	model.RMSNorm:       {nil, (*program).rows, rmsNormRow},
	model.L2Norm:        {nil, (*program).rows, l2NormRow},
	model.LayerNorm:     {nil, (*program).rows, layerNormRow},
	model.MatMul:        {roundRows, matMulParts, matMulPart},
	model.MatMulHeads:   {roundHeads, matMulHeadsParts, matMulHeadsPart},
	model.RoPE:          {turn, (*program).rows, ropeRow},
	model.Store:         {nil, (*program).rows, storeRow},
	model.Attention:     {nil, attentionParts, attentionPart},
	model.Conv:          {nil, convParts, convPart},
	model.DeltaRule:     {nil, stateParts, deltaRulePart},
	model.Scan:          {nil, stateParts, scanPart},
	model.Act:           {nil, (*program).rows, actRow},
	model.SwiGLU:        {nil, (*program).rows, swiGLURow},
	model.Add:           {nil, whole, add},
	model.Mul:           {nil, whole, mul},
	model.Slice:         {nil, (*program).rows, sliceRow},
	model.Join:          {nil, (*program).rows, joinRow},
	model.Gather:        {nil, whole, gather},
	model.Sample:        {nil, (*program).rows, chooseRow},
	model.Route:         {nil, (*program).rows, routeRow},
	model.Combine:       {nil, (*program).rows, combineRow},
	model.MatMulExperts: {gatherExperts, matMulExpertsParts, matMulExpertsPart},
}

// whole makes an op one part.
func whole(*program, *step) int { return 1 }

func embed(p *program, s *step, _, _ int) {
	next := p.batch.Rows
	for i, id := range p.batch.Tokens {
		dst := row(s.dst, i, s.dstCols)
		if id >= 0 {
			kernel.DecodeFlushed(s.matrix.Type, dst, row(s.matrix.Data, int(id), s.matrix.RowBytes))
			continue
		}
		for j, x := range next[:len(dst)] {
			dst[j] = numerics.Flush(x)
		}
		next = next[len(dst):]
	}
}

func rmsNormRow(p *program, s *step, _, i int) {
	x, dst, group := row(s.src[0], i, s.dstCols), row(s.dst, i, s.dstCols), int(s.Arg[1])
	for g := 0; g < len(x); g += group {
		w := s.src[1]
		if len(w) > group {
			w = w[g:]
		}
		p.b.form.Norm(dst[g:][:group], x[g:][:group], w, s.ArgFloat(0))
	}
}

func l2NormRow(p *program, s *step, _, i int) {
	x, dst, group := row(s.src[0], i, s.dstCols), row(s.dst, i, s.dstCols), int(s.Arg[1])
	end := group * int(s.Arg[2])
	for g := 0; g < end; g += group {
		p.b.form.L2Norm(dst[g:][:group], x[g:][:group], s.ArgFloat(0))
	}
	copy(dst[end:], x[end:])
}

// layerNormRow computes d = Flush(x − mean), dst = Flush((d·RSqrt(Σd²·inv + eps))·w),
// inv = 1/len(x).
func layerNormRow(p *program, s *step, _, i int) {
	x, dst, group := row(s.src[0], i, s.dstCols), row(s.dst, i, s.dstCols), int(s.Arg[1])
	for at := 0; at < len(x); at += group {
		head, mean := dst[at:][:group], numerics.Mean(x[at:][:group], float32(1/float64(group)))
		for j, v := range x[at:][:group] {
			head[j] = numerics.Flush(v - mean)
		}
		w := s.src[1]
		if len(w) > group {
			w = w[at:]
		}
		p.b.form.Norm(head, head, w, s.ArgFloat(0))
	}
}

// matRows is how many rows of a weight make one part: enough work to be worth
// waking a goroutine for, few enough that all get some.
const matRows = 48

// roundTogether is how many rows of activations make one part of their rounding.
const roundTogether = 4

// roundRows rounds the rows that enter a product, unless the product before, of another
// weight with the same rows, has left them as they are needed.
func roundRows(p *program, s *step) error {
	in, n := &p.b.input, p.rows(s)
	if p.rounded == s.Src[1] && p.routed == model.None && p.b.form.Suits(in, s.matrix.Type) {
		return nil
	}
	p.b.form.Set(in, p.b.inputMem, s.matrix.Type, s.srcCols[1], n)
	p.rounded, p.routed = s.Src[1], model.None
	return p.b.pool.run((n+roundTogether-1)/roundTogether, s.round)
}

func roundPart(p *program, s *step, part int) {
	in := &p.b.input
	for i := part * roundTogether; i < min((part+1)*roundTogether, in.N); i++ {
		p.b.form.Round(in, i, row(s.src[1], i, in.Cols))
	}
}

func matMulParts(p *program, s *step) int {
	if p.rows(s) == 0 { // no answer wanted
		return 0
	}
	return (s.dstCols + matRows - 1) / matRows
}

func matMulPart(p *program, s *step, worker, part int) {
	from, to := part*matRows, min((part+1)*matRows, s.dstCols)
	p.b.form.Product(&p.b.input, s.matrix, from, to, s.dst, s.dstCols, &p.b.scratch[worker].Scratch)
}

// turn computes the run's cosines and sines when it meets a table for the first
// time in a layer stack; all layers share them.
func turn(p *program, s *step) error {
	r := s.Arg[1]
	if p.turned[r] {
		return nil
	}
	p.turned[r] = true
	t, axes := &p.plan.Ropes[r], p.plan.Axes
	for i := range p.last.Tokens {
		pos, out := p.batch.Pos[i*axes:][:axes], row(p.turns[r], i, 2*len(t.Freq))
		scale := t.ScaleAt(pos[0])
		for j, freq := range t.Freq {
			at := pos[0]
			if t.Axis != nil {
				at = pos[t.Axis[j]]
			}
			out[2*j], out[2*j+1] = numerics.Turn(at, freq, scale)
		}
	}
	return nil
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
		dst[j], dst[j+1] = numerics.Rotate(x[j], x[j+1], cos, sin)
	}
}

// turnHalves turns the pairs (x[j], x[j+n]), n of them.
func turnHalves(dst, x, turn []float32) {
	n := len(turn) / 2
	for j := range n {
		cos, sin := turn[2*j], turn[2*j+1]
		dst[j], dst[j+n] = numerics.Rotate(x[j], x[j+n], cos, sin)
	}
}

func storeRow(p *program, s *step, _, i int) {
	m, pos := s.kept[0], p.position(i)
	m.set(p.table(i, m)[pos/model.PageLen], pos%model.PageLen, row(s.src[0], i, s.dstCols))
}

// convCols is how many channels make one part.
const convCols = 64

func convParts(p *program, s *step) int {
	return len(p.batch.Seqs) * ((s.dstCols + convCols - 1) / convCols)
}

// convPart computes some channels of one sequence:
//
//	dst[i][c] = f(Σ_k w[c][k]·x[i−K+1+k][c] + bias[c])   (rows before the run's first: the slot's)
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
					sum += float32(w[k] * slot[(at+taps-1)*cols+c])
				} else {
					sum += float32(w[k] * s.src[0][(first+at)*cols+c])
				}
			}
			if s.src[3] != nil {
				sum += s.src[3][c]
			}
			sum = numerics.Flush(sum)
			if s.Arg[0] == 1 {
				sum = numerics.SiLU(sum)
			}
			s.dst[(first+i)*cols+c] = sum
		}
		for k := range taps - 1 {
			if at := n - taps + 1 + k; at < 0 {
				slot[k*cols+c] = slot[(at+taps-1)*cols+c]
			} else {
				slot[k*cols+c] = numerics.Single(s.src[0][(first+at)*cols+c])
			}
		}
	}
}

// activations are the functions of Act that have no constant.
var activations = [model.NumActivations]func(float32) float32{
	model.SiLU:        numerics.SiLU,
	model.Sigmoid:     numerics.Sigmoid,
	model.Softplus:    numerics.Softplus,
	model.ReLU2:       numerics.ReLU2,
	model.GELU:        numerics.GELU,
	model.ClampedGate: numerics.ClampedGate,
	model.ClampedUp:   numerics.ClampedUp,
}

func actRow(p *program, s *step, _, i int) {
	x, dst, c := row(s.src[0], i, s.dstCols), row(s.dst, i, s.dstCols), s.ArgFloat(1)
	switch model.Activation(s.Arg[0]) {
	case model.Scaled:
		for j, x := range x {
			dst[j] = numerics.Flush(float32(x * c))
		}
	case model.Capped:
		by := numerics.Inverse(c)
		for j, x := range x {
			dst[j] = numerics.Cap(x, c, by)
		}
	default:
		f := activations[s.Arg[0]]
		for j, x := range x {
			dst[j] = numerics.Flush(f(x))
		}
	}
}

func swiGLURow(p *program, s *step, _, i int) {
	p.b.form.SwiGLU(row(s.dst, i, s.dstCols), row(s.src[0], i, s.dstCols), row(s.src[1], i, s.dstCols))
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
	if len(s.Src) > 2 {
		mulExperts(p, s)
		return
	}
	if p.plan.Tensors[s.Src[1]].Kind == model.Weight {
		for i := range p.rows(s) {
			x, dst := row(s.src[0], i, s.dstCols), row(s.dst, i, s.dstCols)
			for j, v := range x {
				dst[j] = numerics.Flush(float32(v * s.src[1][j%s.srcCols[1]]))
			}
		}
		return
	}
	for i := range p.rows(s) * s.dstCols {
		s.dst[i] = numerics.Flush(float32(s.src[0][i] * s.src[1][i]))
	}
}

func sliceRow(p *program, s *step, _, i int) {
	first, n, stride := int(s.Arg[0]), int(s.Arg[1]), int(s.Arg[2])
	x, dst := row(s.src[0], i, s.srcCols[0]), row(s.dst, i, s.dstCols)
	for ; len(dst) > 0; x, dst = x[stride:], dst[n:] {
		copy(dst[:n], x[first:])
	}
}

func joinRow(p *program, s *step, _, i int) {
	heads := int(s.Arg[0])
	x, y, dst := row(s.src[0], i, s.srcCols[0]), row(s.src[1], i, s.srcCols[1]), row(s.dst, i, s.dstCols)
	a := len(x) / heads
	b := len(dst)/heads - a
	for h := range heads {
		copy(dst, x[h*a:][:a])
		copy(dst[a:], y[h*b%len(y):][:b])
		dst = dst[a+b:]
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
