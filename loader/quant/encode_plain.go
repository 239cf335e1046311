//go:build !goexperiment.simd || !amd64

package quant

func (s *side) turn(to *[32]lanes, from []float32) { s.turnPlain(to, from) }

func (s *side) fit(step *lanes, firsts []lanes, c curve, lo, hi float32) {
	s.fitPlain(step, firsts, c, lo, hi)
}

func (s *side) fitRange(step, low *lanes, cuts []lanes, top float32, below bool) {
	s.fitRangePlain(step, low, cuts, top, below)
}

func (s *side) look(g *grid, tries []near, scale, low *lanes) { s.lookPlain(g, tries, scale, low) }

func (s *side) sum(g *grid, scale, low *lanes, total *sums) { s.sumPlain(g, scale, low, total) }

func (s *side) extent(low, high *lanes) { s.extentPlain(low, high) }

func (s *side) levels(q *[256]byte, off, inverse *lanes, lo, hi float32, plus int) {
	s.levelsPlain(q[:], off, inverse, lo, hi, plus)
}

func (s *side) levelsFP4(q *[256]byte, inverse *lanes) { s.levelsFP4Plain(q[:], inverse) }
