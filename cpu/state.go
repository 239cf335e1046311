package cpu

import "eclat/model/numerics"

// stateCols is how many columns of a head's state make one part, which stays near the
// processor from token to token.
const stateCols = 64

// stateParts: DeltaRule and Scan take a part for every sequence, head and stateCols columns.
func stateParts(p *program, s *step) int {
	return len(p.batch.Seqs) * int(s.Arg[0]) * stateBlocks(s)
}

func stateBlocks(s *step) int { return (int(s.Arg[3]) + stateCols - 1) / stateCols }

// columns is a part of a state: some columns of a head's H (dimK, dimV), of a sequence.
type columns struct {
	first, n int       // tokens
	head     int       //
	from, to int       // columns
	state    []float32 // H from column from on; a row is dimV elements
}

func (p *program) columns(s *step, part int) columns {
	nHead, dimK, dimV := int(s.Arg[0]), int(s.Arg[2]), int(s.Arg[3])
	blocks := stateBlocks(s)
	seq := part / blocks / nHead
	c := columns{first: int(p.first[seq]), n: p.batch.Seqs[seq].N, head: part / blocks % nHead, from: part % blocks * stateCols}
	c.to = min(c.from+stateCols, dimV)
	slot := row(s.kept[4].full, int(p.table(c.first, s.kept[4])[0]), s.srcCols[4])
	c.state = row(slot, c.head, dimK*dimV)[c.from:]
	if p.position(c.first) == 0 {
		for r := range dimK {
			clear(c.state[r*dimV:][:c.to-c.from])
		}
	}
	return c
}

func deltaRulePart(p *program, s *step, _, part int) {
	nHead, nHeadK, dimK, dimV := int(s.Arg[0]), int(s.Arg[1]), int(s.Arg[2]), int(s.Arg[3])
	c := p.columns(s, part)
	g := c.head / (nHead / nHeadK)
	if s.Arg[5] == 1 {
		g = c.head % nHeadK
	}
	for i := c.first; i < c.first+c.n; i++ {
		x, dst := row(s.src[0], i, s.srcCols[0]), row(s.dst, i, s.dstCols)[c.head*dimV:]
		q, k, v := x[g*dimK:][:dimK], x[(nHeadK+g)*dimK:][:dimK], x[2*nHeadK*dimK+c.head*dimV:]
		decay := numerics.Decay(s.src[1][i*nHead+c.head], s.src[2][c.head])
		p.b.form.Delta(dst[c.from:c.to], c.state, dimV, q, k, v[c.from:c.to], decay, s.src[3][i*nHead+c.head], s.ArgFloat(4))
	}
}

func scanPart(p *program, s *step, _, part int) {
	nHead, nHeadK, dimK, dimV := int(s.Arg[0]), int(s.Arg[1]), int(s.Arg[2]), int(s.Arg[3])
	c := p.columns(s, part)
	g := c.head / (nHead / nHeadK)
	for i := c.first; i < c.first+c.n; i++ {
		x, dst := row(s.src[0], i, s.srcCols[0]), row(s.dst, i, s.dstCols)[c.head*dimV:]
		v, k, q := x[c.head*dimV:], x[nHead*dimV+g*dimK:][:dimK], x[nHead*dimV+(nHeadK+g)*dimK:][:dimK]
		dt := s.src[1][i*nHead+c.head]
		decay := numerics.Decay(dt, s.src[2][c.head])
		p.b.form.Scan(dst[c.from:c.to], c.state, dimV, q, k, v[c.from:c.to], decay, dt, s.src[3][c.head])
	}
}
