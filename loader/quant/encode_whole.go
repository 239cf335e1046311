package quant

// whole is a block of groups of 16 under construction, the types of which have whole levels:
//
//	x ≈ d·scale·q      scale, of a group: lo…hi; q: least…most
type whole struct {
	x, w        []float32
	least, most float32
	lo, hi      int
	d           float32
	scale       [16]int
	q           [256]byte
}

// newWhole fits a block, and writes its d: as newSigned, but each group looks among sixteen
// neighbours of its scale.
func newWhole(d []byte, x, w []float32, least, most float32, lo, hi int) *whole {
	g := &whole{x: x, w: w, least: least, most: most, lo: lo, hi: hi}
	var s [16]float32
	var largest float32
	for n := range s {
		s[n] = fitWhole(x[16*n:][:16], w[16*n:][:16], float64(least), 1, least, most)
		if max(s[n], -s[n]) > max(largest, -largest) {
			largest = s[n]
		}
	}
	g.d = putHalf(d, largest/float32(lo))
	for n := range s {
		g.scale[n] = nearest(s[n], g.d, lo, hi)
	}
	for range 2 {
		g.levels()
		if fit := g.fit(); fit != 0 {
			g.d = putHalf(d, fit)
		}
		for n := range s {
			g.look(n)
		}
	}
	g.levels()
	return g
}

// levels gives every element its level under the present scales.
func (g *whole) levels() {
	for n, s := range g.scale {
		levels(g.q[16*n:], g.x[16*n:][:16], 0, inverse(g.d*float32(s)), g.least, g.most, 0)
	}
}

// fit is the d that fits the levels best, by least squares; 0 for none.
func (g *whole) fit() float32 {
	var aa, xa float64
	for n, s := range g.scale {
		var qq, xq float64
		for i, v := range g.x[16*n:][:16] {
			w, q := float64(g.w[16*n+i]), float64(int8(g.q[16*n+i]))
			qq, xq = qq+w*q*q, xq+w*float64(v)*q
		}
		aa, xa = aa+float64(s)*float64(s)*qq, xa+float64(s)*xq
	}
	if !(aa > 0) {
		return 0
	}
	return float32(xa / aa)
}

// look gives group n the scale with the least error, of those up to eight away.
func (g *whole) look(n int) {
	var off, by, step, loss each
	at := func(t int) int { return min(max(g.scale[n]+(t+8)%tries-7, g.lo), g.hi) } // the last try is the middle
	for t := range tries {
		step[t] = g.d * float32(at(t))
		by[t] = inverse(step[t])
	}
	levelLoss(&loss, g.x[16*n:][:16], g.w[16*n:][:16], &off, &by, &step, g.least, g.most)
	g.scale[n] = at(bestTry(&loss))
}
