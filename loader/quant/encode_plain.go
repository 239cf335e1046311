//go:build !goexperiment.simd || !amd64

package quant

func (s *levelSums) add(x, w []float32, off float32, inverse *each, lo, hi float32) {
	s.plain(x, w, off, inverse, lo, hi)
}

func levelLoss(loss *each, x, w []float32, off, inverse, step *each, lo, hi float32) {
	levelLossPlain(loss, x, w, off, inverse, step, lo, hi)
}

func levels(dst []byte, x []float32, off, inverse, lo, hi float32, plus int) {
	levelsPlain(dst, x, off, inverse, lo, hi, plus)
}

func bounds(x []float32) (lo, hi float32) { return boundsPlain(x) }
