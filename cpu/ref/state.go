package ref

import (
	"eclat/model"
	"eclat/model/numerics"
)

func deltaRule(p *program, s *model.Step) {
	nHead, nHeadK, dimK, dimV := int(s.Arg[0]), int(s.Arg[1]), int(s.Arg[2]), int(s.Arg[3])
	scale, cyclic := s.ArgFloat(4), s.Arg[5] == 1
	p.eachState(s, func(i, h int, state []float32) {
		x, dt, beta := p.row(s.Src[0], i), p.row(s.Src[1], i)[h], p.row(s.Src[3], i)[h]
		g := h / (nHead / nHeadK)
		if cyclic {
			g = h % nHeadK
		}
		q, k, v := x[g*dimK:][:dimK], x[(nHeadK+g)*dimK:][:dimK], x[2*nHeadK*dimK+h*dimV:][:dimV]
		decay := numerics.Decay(dt, p.weight(s.Src[2], 0, p.scratch)[h])
		column := p.span[:dimK]
		for j := range dimV {
			for r := range column {
				column[r] = numerics.Flush(float32(decay * state[r*dimV+j]))
			}
			d := numerics.Flush(float32(beta * (v[j] - numerics.Flush(numerics.Dot4(column, k)))))
			for r := range column {
				column[r] = numerics.Flush(column[r] + float32(k[r]*d))
				state[r*dimV+j] = column[r]
			}
			p.row(s.Dst, i)[h*dimV+j] = numerics.Flush(float32(numerics.Dot4(column, q) * scale))
		}
	})
}

func scan(p *program, s *model.Step) {
	nHead, nHeadK, dimK, dimV := int(s.Arg[0]), int(s.Arg[1]), int(s.Arg[2]), int(s.Arg[3])
	p.eachState(s, func(i, h int, state []float32) {
		x, dt := p.row(s.Src[0], i), p.row(s.Src[1], i)[h]
		g := h / (nHead / nHeadK)
		v, k, q := x[h*dimV:][:dimV], x[nHead*dimV+g*dimK:][:dimK], x[nHead*dimV+(nHeadK+g)*dimK:][:dimK]
		decay := numerics.Decay(dt, p.weight(s.Src[2], 0, p.scratch)[h])
		skip := p.weight(s.Src[3], 0, p.scratch)[h]
		column := p.span[:dimK]
		for j := range dimV {
			d := numerics.Flush(float32(dt * v[j]))
			for r := range column {
				u := numerics.Flush(float32(decay * state[r*dimV+j]))
				column[r] = numerics.Flush(u + float32(k[r]*d))
				state[r*dimV+j] = column[r]
			}
			p.row(s.Dst, i)[h*dimV+j] = numerics.Flush(numerics.Dot4(column, q) + float32(skip*v[j]))
		}
	})
}

// eachState calls step for every token i of the batch and every head h, a sequence's
// tokens in order, with the head's state (dimK, dimV), and keeps what step leaves in it.
func (p *program) eachState(s *model.Step, step func(i, h int, state []float32)) {
	nHead, one := int(s.Arg[0]), int(s.Arg[2]*s.Arg[3])
	i := 0
	for seq := range p.batch.Seqs {
		slot := p.slot(s.Src[4], seq)
		state := p.b.get(slot, 0, nHead*one)
		if p.position(i) == 0 {
			clear(state)
		}
		for range p.batch.Seqs[seq].N {
			for h := range nHead {
				step(i, h, state[h*one:][:one])
			}
			i++
		}
		p.b.keep(slot, state)
	}
}
