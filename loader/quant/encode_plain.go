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

func levels(dst []byte, x []float32, off, inverse, lo, hi float32, plus int) {
	levelsPlain(dst, x, off, inverse, lo, hi, plus)
}

func levelsFP4(dst []byte, x []float32, inverse float32) { levelsFP4Plain(dst, x, inverse) }

func bounds(x []float32) (lo, hi float32) { return boundsPlain(x) }
