package cpu

import (
	"eclat/cpu/kernel"
	"eclat/model"
)

// Products of each head with a matrix of its own are products with experts of which every
// row goes to all, in their order: the rows of head h are an input, its matrix an expert's.

// roundHeads lays out the rows of each head and rounds them.
func roundHeads(p *program, s *step) error {
	g, n, heads := &p.experts, p.rows(s), int(s.Arg[0])
	if n == 0 {
		return nil
	}
	cols, mem := s.matrix.Dims[0], p.b.inputMem
	for h := range heads {
		in, to := &g.inputs[h], g.slots[h*n:][:n:n]
		for i := range to {
			to[i] = int32(i*heads + h)
		}
		p.b.form.Set(in, mem, s.matrix.Type, cols, n)
		in.To = to
		mem = mem[kernel.InputLen(cols, n):]
	}
	p.rounded, p.routed = model.None, model.None // what was there is gone
	return p.b.pool.run(heads, s.round)
}

// roundHeadPart rounds the rows of a head.
func roundHeadPart(p *program, s *step, head int) {
	in := &p.experts.inputs[head]
	for i, slot := range in.To {
		p.b.form.Round(in, i, row(s.src[1], int(slot), in.Cols))
	}
}

func matMulHeadsParts(p *program, s *step) int {
	if p.rows(s) == 0 {
		return 0
	}
	heads := int(s.Arg[0])
	return heads * ((s.dstCols/heads + matRows - 1) / matRows)
}

// matMulHeadsPart multiplies some rows of a head's matrix by its rows.
func matMulHeadsPart(p *program, s *step, worker, part int) {
	m := s.dstCols / int(s.Arg[0])
	blocks := (m + matRows - 1) / matRows
	head, from := part/blocks, part%blocks*matRows
	w := &p.b.scratch[worker]
	w.expert = *s.matrix
	w.expert.Data = s.matrix.Data[head*m*s.matrix.RowBytes:][:m*s.matrix.RowBytes]
	p.b.form.Product(&p.experts.inputs[head], &w.expert, from, min(from+matRows, m), s.dst, m, &w.Scratch)
	w.expert.Data = nil
}
