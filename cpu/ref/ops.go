package ref

import (
	"math"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/numerics"
)

// ops is the loop of each op's definition in package model.
var ops = [model.NumOps]func(p *program, s *model.Step){
	model.Embed:         embed,
	model.RMSNorm:       rmsNorm,
	model.L2Norm:        l2Norm,
	model.LayerNorm:     layerNorm,
	model.MatMul:        matMul,
	model.MatMulHeads:   matMulHeads,
	model.RoPE:          rope,
	model.Store:         store,
	model.Attention:     attention,
	model.Conv:          conv,
	model.DeltaRule:     deltaRule,
	model.Scan:          scan,
	model.Act:           act,
	model.SwiGLU:        swiGLU,
	model.Add:           add,
	model.Mul:           mul,
	model.Slice:         slice,
	model.Join:          join,
	model.Gather:        gather,
	model.Sample:        choose,
	model.Route:         route,
	model.MatMulExperts: matMulExperts,
	model.Combine:       combine,
}

func embed(p *program, s *model.Step) {
	next := 0 // row of Batch.Rows
	for i, id := range p.batch.Tokens {
		dst := p.row(s.Dst, i)
		if id >= 0 {
			p.weight(s.Src[0], int(id), dst)
			continue
		}
		for j, x := range p.batch.Rows[next*len(dst):][:len(dst)] {
			dst[j] = numerics.Flush(x)
		}
		next++
	}
}

func rmsNorm(p *program, s *model.Step) {
	var w []float32 // nil for none
	if len(s.Src) > 1 {
		w = p.weight(s.Src[1], 0, p.scratch)
	}
	eps, group := s.ArgFloat(0), int(s.Arg[1])
	inv := float32(1 / float64(group))
	for i := range p.rows(s.Dst) {
		row, out := p.row(s.Src[0], i), p.row(s.Dst, i)
		for g := 0; g < len(row); g += group {
			w := w
			if len(w) > group {
				w = w[g:]
			}
			x, dst := row[g:g+group], out[g:g+group]
			r := numerics.RSqrt(float32(numerics.SumSquares(x)*inv) + eps)
			for j, v := range x {
				y := float32(v * r)
				if w != nil {
					y = float32(y * w[j])
				}
				dst[j] = numerics.Flush(y)
			}
		}
	}
}

func l2Norm(p *program, s *model.Step) {
	eps, group, groups := s.ArgFloat(0), int(s.Arg[1]), int(s.Arg[2])
	for i := range p.rows(s.Dst) {
		x, dst := p.row(s.Src[0], i), p.row(s.Dst, i)
		copy(dst, x)
		for g := range groups {
			r := numerics.RSqrt(numerics.SumSquares(x[g*group:][:group]) + eps)
			for j := g * group; j < (g+1)*group; j++ {
				dst[j] = numerics.Flush(float32(x[j] * r))
			}
		}
	}
}

func layerNorm(p *program, s *model.Step) {
	w, group := p.weight(s.Src[1], 0, p.scratch), int(s.Arg[1])
	inv := float32(1 / float64(s.Arg[1]))
	for i := range p.rows(s.Dst) {
		for at := 0; at < p.plan.Tensors[s.Dst].Cols; at += group {
			x, dst := p.row(s.Src[0], i)[at:][:group], p.row(s.Dst, i)[at:][:group]
			mean := numerics.Mean(x, inv)
			for j, v := range x {
				dst[j] = numerics.Flush(v - mean)
			}
			r := numerics.RSqrt(float32(numerics.SumSquares(dst)*inv) + s.ArgFloat(0))
			for j, d := range dst {
				dst[j] = numerics.Flush(float32(float32(d*r) * w[(at+j)%len(w)]))
			}
		}
	}
}

func matMul(p *program, s *model.Step) {
	for i := range p.rows(s.Dst) {
		p.rounded.Round(p.row(s.Src[1], i))
		dst := p.row(s.Dst, i)
		for j := range dst {
			dst[j] = p.times(s.Src[0], j)
		}
	}
}

func matMulHeads(p *program, s *model.Step) {
	heads, cols := int(s.Arg[0]), p.plan.Tensors[s.Src[0]].Cols
	m := p.plan.Tensors[s.Dst].Cols / heads
	for i := range p.rows(s.Dst) {
		for h := range heads {
			p.rounded.Round(p.row(s.Src[1], i)[h*cols:][:cols])
			for j := h * m; j < (h+1)*m; j++ {
				p.row(s.Dst, i)[j] = p.times(s.Src[0], j)
			}
		}
	}
}

// times multiplies row j of a weight by the rounded row.
func (p *program) times(t model.ID, j int) float32 {
	w := &p.plan.Tensors[t]
	if w.Type.Integers() {
		return numerics.Flush(p.sumTerms(t, j))
	}
	x := p.product[:w.Cols]
	for k := range x {
		x[k] = p.rounded.At(k)
	}
	return numerics.Flush(numerics.Dot(x, p.weight(t, j, p.scratch)))
}

// sumTerms multiplies row j of a weight of integers by the rounded row.
func (p *program) sumTerms(t model.ID, j int) float32 {
	w := p.b.weights[p.plan.Tensors[t].Name]
	elems, bytes := w.Type.Block()
	row := w.Data[j*w.RowBytes : (j+1)*w.RowBytes]
	var chains numerics.Chains
	x := &p.rounded
	for b := range w.Dims[0] / numerics.BlockLen {
		g := b % (elems / numerics.BlockLen) // of 32 elements in the weight's block
		if g == 0 {
			quant.Unpack(w.Type, &p.ints, row[:bytes])
			row = row[bytes:]
		}
		var sum, ones [2]int32 // of each half: Σq·m, Σm
		m := x.M[b*numerics.BlockLen:][:numerics.BlockLen]
		for k, q := range p.ints.Q[g*numerics.BlockLen:][:numerics.BlockLen] {
			sum[k/16] += int32(q) * int32(m[k])
			ones[k/16] += int32(m[k])
		}
		d, least, scale := p.ints.D[2*g:], p.ints.Min[2*g:], x.Scale[b]
		switch {
		case p.ints.Halves && p.ints.Mins:
			chains.Add(b, numerics.Term16Min(d[0], d[1], least[0], least[1], scale, sum[0], sum[1], ones[0], ones[1]))
		case p.ints.Halves:
			chains.Add(b, numerics.Term16(d[0], d[1], scale, sum[0], sum[1]))
		case p.ints.Mins:
			chains.Add(b, numerics.Term(d[0], least[0], scale, sum[0]+sum[1], x.Sum[b]))
		default:
			chains.Add(b, numerics.TermPlain(d[0], scale, sum[0]+sum[1]))
		}
	}
	return chains.Sum()
}

func rope(p *program, s *model.Step) {
	headDim, r := int(s.Arg[0]), &p.plan.Ropes[s.Arg[1]]
	for i := range p.rows(s.Dst) {
		x, dst := p.row(s.Src[0], i), p.row(s.Dst, i)
		copy(dst, x)
		scale := r.ScaleAt(int32(p.position(i)))
		for j, freq := range r.Freq {
			axis := 0
			if r.Axis != nil {
				axis = int(r.Axis[j])
			}
			cos, sin := numerics.Turn(p.batch.Pos[i*p.plan.Axes+axis], freq, scale)
			a, b := 2*j, 2*j+1
			if r.Halves {
				a, b = j, j+len(r.Freq)
			}
			for h := 0; h < len(x); h += headDim {
				dst[h+a], dst[h+b] = numerics.Rotate(x[h+a], x[h+b], cos, sin)
			}
		}
	}
}

func store(p *program, s *model.Step) {
	i := 0
	for seq := range p.batch.Seqs {
		for range p.batch.Seqs[seq].N {
			p.b.put(p.memoryRow(s.Dst, seq, p.position(i)), p.row(s.Src[0], i))
			i++
		}
	}
}

func attention(p *program, s *model.Step) {
	i := 0
	for seq := range p.batch.Seqs {
		for range p.batch.Seqs[seq].N {
			attend(p, s, seq, i)
			i++
		}
	}
}

// attend computes all heads of token i, of sequence seq.
func attend(p *program, s *model.Step, seq, i int) {
	nHead, nKV, dimK, dimV := int(s.Arg[0]), int(s.Arg[1]), int(s.Arg[2]), int(s.Arg[3])
	scale, window, cap := numerics.ScoreScale(s.ArgFloat(4)), int(s.Arg[5]), s.ArgFloat(6)
	score := func(dot float32) float32 { return numerics.Flush(float32(dot * scale)) }
	if cap != 0 {
		by := numerics.CapScale(s.ArgFloat(4), cap)
		score = func(dot float32) float32 { return numerics.Cap(dot, numerics.ScoreScale(cap), by) }
	}
	strideV := dimV // from the values of a key head to the next's
	if s.Src[1] == s.Src[2] {
		strideV = dimK
	}
	var sinks []float32 // nil for none
	if len(s.Src) > 3 {
		sinks = p.weight(s.Src[3], 0, p.scratch)
	}
	q, dst := p.row(s.Src[0], i), p.row(s.Dst, i)
	pos, t0 := p.position(i), 0
	switch {
	case s.Arg[7] != 0:
		t0 = pos - pos%window
	case window > 0:
		t0 = max(0, pos-window+1)
	}
	for h := range nHead {
		g := h / (nHead / nKV)
		var most, sum float32 // of the spans so far
		out := p.out[:dimV]
		for from := t0; from <= pos; {
			end := min(pos+1, (from/numerics.Span+1)*numerics.Span)
			a := p.scores[:end-from]
			top := float32(math.Inf(-1))
			for t := range a {
				k := p.b.get(p.memoryRow(s.Src[1], seq, from+t), g*dimK, dimK)
				a[t] = score(numerics.Dot(q[h*dimK:][:dimK], k))
				top = max(top, a[t])
			}
			top = float32(math.Ceil(float64(top)))
			var l float32
			o := p.span[:dimV]
			clear(o)
			for t := range a {
				w := numerics.Weight(a[t], top)
				l += w
				for d, v := range p.b.get(p.memoryRow(s.Src[2], seq, from+t), g*strideV, dimV) {
					o[d] += float32(w * v)
				}
			}
			for d, v := range o {
				o[d] = numerics.Flush(v)
			}
			if from == t0 {
				most, sum = top, l
				copy(out, o)
			} else {
				var before, own float32
				most, before, own = numerics.Merge(most, top)
				sum = float32(sum*before) + float32(l*own)
				for d, v := range o {
					out[d] = numerics.Flush(float32(out[d]*before) + float32(v*own))
				}
			}
			from = end
		}
		if sinks != nil {
			top, l := numerics.Sink(sinks[h])
			_, before, own := numerics.Merge(most, top)
			sum = float32(sum*before) + float32(l*own)
			for d, v := range out {
				out[d] = numerics.Flush(float32(v * before))
			}
		}
		r := numerics.Recip(sum)
		for d, v := range out {
			dst[h*dimV+d] = numerics.Flush(float32(v * r))
		}
	}
}

func conv(p *program, s *model.Step) {
	cols, taps := p.plan.Tensors[s.Src[1]].Rows, p.plan.Tensors[s.Src[1]].Cols
	var bias []float32
	if len(s.Src) > 3 {
		bias = p.weight(s.Src[3], 0, p.product)
	}
	first := 0
	for seq := range p.batch.Seqs {
		n := p.batch.Seqs[seq].N
		slot := p.slot(s.Src[2], seq)
		before := p.b.get(slot, 0, (taps-1)*cols)
		if p.position(first) == 0 {
			clear(before)
		}
		at := func(i, c int) float32 { // x of the run's token i, which may lie before it
			if i < 0 {
				return before[(i+taps-1)*cols+c]
			}
			return p.row(s.Src[0], first+i)[c]
		}
		for c := range cols {
			w := p.weight(s.Src[1], c, p.scratch)
			for i := range n {
				var sum float32
				for k := range taps {
					sum += float32(w[k] * at(i-taps+1+k, c))
				}
				if bias != nil {
					sum += bias[c]
				}
				sum = numerics.Flush(sum)
				if s.Arg[0] == 1 {
					sum = numerics.SiLU(sum)
				}
				p.row(s.Dst, first+i)[c] = sum
			}
		}
		for i := range taps - 1 { // the last rows, oldest first: i never reads what it has overwritten
			for c := range cols {
				before[i*cols+c] = at(n-taps+1+i, c)
			}
		}
		p.b.put(slot, before)
		first += n
	}
}

func act(p *program, s *model.Step) {
	c := s.ArgFloat(1)
	f := [model.NumActivations]func(float32) float32{
		model.SiLU: numerics.SiLU, model.Sigmoid: numerics.Sigmoid, model.Softplus: numerics.Softplus,
		model.ReLU2: numerics.ReLU2, model.GELU: numerics.GELU,
		model.Scaled:      func(x float32) float32 { return float32(x * c) },
		model.Capped:      func(x float32) float32 { return numerics.Cap(x, c, numerics.Inverse(c)) },
		model.ClampedGate: numerics.ClampedGate, model.ClampedUp: numerics.ClampedUp,
	}[s.Arg[0]]
	for i := range p.rows(s.Dst) {
		x, dst := p.row(s.Src[0], i), p.row(s.Dst, i)
		for j, v := range x {
			dst[j] = numerics.Flush(f(v))
		}
	}
}

func swiGLU(p *program, s *model.Step) {
	for i := range p.rows(s.Dst) {
		x, y, dst := p.row(s.Src[0], i), p.row(s.Src[1], i), p.row(s.Dst, i)
		for j := range dst {
			dst[j] = numerics.Flush(float32(numerics.SiLU(x[j]) * y[j]))
		}
	}
}

// either is row i of an activation, or the one row of a weight.
func (p *program) either(t model.ID, i int) []float32 {
	if p.plan.Tensors[t].Kind == model.Weight {
		return p.weight(t, 0, p.scratch)
	}
	return p.row(t, i)
}

func add(p *program, s *model.Step) {
	for i := range p.rows(s.Dst) {
		x, y, dst := p.row(s.Src[0], i), p.either(s.Src[1], i), p.row(s.Dst, i)
		for j := range dst {
			dst[j] = x[j] + y[j]
		}
	}
}

func mul(p *program, s *model.Step) {
	if len(s.Src) > 2 {
		mulExperts(p, s)
		return
	}
	for i := range p.rows(s.Dst) {
		x, y, dst := p.row(s.Src[0], i), p.either(s.Src[1], i), p.row(s.Dst, i)
		for j := range dst {
			by := y[0]
			if len(y) > 1 {
				by = y[j]
			}
			dst[j] = numerics.Flush(float32(x[j] * by))
		}
	}
}

func slice(p *program, s *model.Step) {
	first, n, stride := int(s.Arg[0]), int(s.Arg[1]), int(s.Arg[2])
	for i := range p.rows(s.Dst) {
		x, dst := p.row(s.Src[0], i), p.row(s.Dst, i)
		for h := range len(x) / stride {
			copy(dst[h*n:][:n], x[h*stride+first:])
		}
	}
}

func join(p *program, s *model.Step) {
	heads := int(s.Arg[0])
	for i := range p.rows(s.Dst) {
		x, y, dst := p.row(s.Src[0], i), p.row(s.Src[1], i), p.row(s.Dst, i)
		a := len(x) / heads
		b := len(dst)/heads - a
		for h := range heads {
			behind := y
			if len(y) > b {
				behind = y[h*b:]
			}
			copy(dst[h*(a+b):][:a], x[h*a:])
			copy(dst[h*(a+b)+a:][:b], behind)
		}
	}
}

func gather(p *program, s *model.Step) {
	for i, want := range p.batch.Want {
		copy(p.row(s.Dst, i), p.row(s.Src[0], int(want)))
	}
}

func choose(p *program, s *model.Step) {
	for i, want := range p.batch.Want {
		p.tokens[i] = -1
		if how := p.batch.How[i]; !how.Logits {
			p.tokens[i] = p.sampler.Pick(p.row(s.Src[0], i), how, int32(p.position(int(want))))
		}
	}
}
