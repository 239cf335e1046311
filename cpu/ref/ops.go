package ref

import (
	"math"

	"github.com/go-gl/mathgl/mgl32"

	"eclat/model"
)

// ops is the loop of each op's definition in package model.
var ops = [model.NumOps]func(p *program, s *model.Step){
	model.Embed:     embed,
	model.RMSNorm:   rmsNorm,
	model.MatMul:    matMul,
	model.RoPE:      rope,
	model.Store:     store,
	model.Attention: attention,
	model.Conv:      conv,
	model.SwiGLU:    swiGLU,
	model.Add:       add,
	model.Mul:       mul,
	model.Gather:    gather,
	model.Sample:    choose,
}

func embed(p *program, s *model.Step) {
	next := 0 // row of Batch.Rows
	for i, id := range p.batch.Tokens {
		dst := p.row(s.Dst, i)
		if id >= 0 {
			p.weight(s.Src[0], int(id), dst)
			continue
		}
		copy(dst, p.batch.Rows[next*len(dst):])
		next++
	}
}

func rmsNorm(p *program, s *model.Step) {
	w := p.weight(s.Src[1], 0, p.scratch)
	eps, group := float64(s.ArgFloat(0)), int(s.Arg[1])
	for i := range p.rows(s.Dst) {
		row, out := p.row(s.Src[0], i), p.row(s.Dst, i)
		for g := 0; g < len(row); g += group {
			x, dst := row[g:g+group], out[g:g+group]
			var sum float64
			for _, v := range x {
				sum += float64(v) * float64(v)
			}
			scale := 1 / math.Sqrt(sum/float64(group)+eps)
			for j, v := range x {
				dst[j] = float32(float64(v) * scale * float64(w[j]))
			}
		}
	}
}

func matMul(p *program, s *model.Step) {
	n := p.rows(s.Dst)
	if n == 0 { // no answer wanted
		return
	}
	for j := range p.plan.Tensors[s.Dst].Cols {
		w := p.weight(s.Src[0], j, p.scratch)
		for i := range n {
			var sum float64
			for k, x := range p.row(s.Src[1], i) {
				sum += float64(w[k]) * float64(x)
			}
			p.row(s.Dst, i)[j] = float32(sum)
		}
	}
}

// rope turns each pair as a vector in the plane. The angle is reduced to one turn
// in float64 first: at position 100,000 a float32 angle is off by 0.004.
func rope(p *program, s *model.Step) {
	headDim, r := int(s.Arg[0]), &p.plan.Ropes[s.Arg[1]]
	for i := range p.rows(s.Dst) {
		x, dst := p.row(s.Src[0], i), p.row(s.Dst, i)
		copy(dst, x)
		for j, freq := range r.Freq {
			axis := 0
			if r.Axis != nil {
				axis = int(r.Axis[j])
			}
			angle := math.Mod(float64(p.batch.Pos[i*p.plan.Axes+axis])*freq, 2*math.Pi)
			turn := mgl32.Rotate2D(float32(angle)).Mul(r.Scale)
			a, b := 2*j, 2*j+1
			if r.Halves {
				a, b = j, j+len(r.Freq)
			}
			for h := 0; h < len(x); h += headDim {
				v := turn.Mul2x1(mgl32.Vec2{x[h+a], x[h+b]})
				dst[h+a], dst[h+b] = v[0], v[1]
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
	scale, window := float64(s.ArgFloat(4)), int(s.Arg[5])
	q, dst := p.row(s.Src[0], i), p.row(s.Dst, i)
	pos, t0 := p.position(i), 0
	if window > 0 {
		t0 = max(0, pos-window+1)
	}
	a := p.scores[:pos-t0+1]
	for h := range nHead {
		g := h / (nHead / nKV)
		top := math.Inf(-1)
		for t := range a {
			k := p.b.get(p.memoryRow(s.Src[1], seq, t0+t), g*dimK, dimK)
			var dot float64
			for d, x := range k {
				dot += float64(q[h*dimK+d]) * float64(x)
			}
			a[t] = dot * scale
			top = math.Max(top, a[t])
		}
		var sum float64
		for t := range a {
			a[t] = math.Exp(a[t] - top)
			sum += a[t]
		}
		out := p.out[:dimV]
		clear(out)
		for t := range a {
			for d, v := range p.b.get(p.memoryRow(s.Src[2], seq, t0+t), g*dimV, dimV) {
				out[d] += a[t] / sum * float64(v)
			}
		}
		for d, v := range out {
			dst[h*dimV+d] = float32(v)
		}
	}
}

func conv(p *program, s *model.Step) {
	cols, taps := p.plan.Tensors[s.Src[1]].Rows, p.plan.Tensors[s.Src[1]].Cols
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
				var sum float64
				for k := range taps {
					sum += float64(w[k]) * float64(at(i-taps+1+k, c))
				}
				p.row(s.Dst, first+i)[c] = float32(sum)
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

func swiGLU(p *program, s *model.Step) {
	for i := range p.rows(s.Dst) {
		x, y, dst := p.row(s.Src[0], i), p.row(s.Src[1], i), p.row(s.Dst, i)
		for j := range dst {
			g := float64(x[j])
			dst[j] = float32(g / (1 + math.Exp(-g)) * float64(y[j]))
		}
	}
}

func add(p *program, s *model.Step) {
	for i := range p.rows(s.Dst) {
		var y []float32
		if p.plan.Tensors[s.Src[1]].Kind == model.Weight {
			y = p.weight(s.Src[1], 0, p.scratch)
		} else {
			y = p.row(s.Src[1], i)
		}
		x, dst := p.row(s.Src[0], i), p.row(s.Dst, i)
		for j := range dst {
			dst[j] = x[j] + y[j]
		}
	}
}

func mul(p *program, s *model.Step) {
	for i := range p.rows(s.Dst) {
		x, y, dst := p.row(s.Src[0], i), p.row(s.Src[1], i), p.row(s.Dst, i)
		for j := range dst {
			dst[j] = x[j] * y[j]
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
