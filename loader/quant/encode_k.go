package quant

import "math"

// The types of 256 elements a block whose groups have scales and minimums of their own.

// encodeQ2_K lets elements weigh more the larger they are, by √(x² + mean of x²): with four
// levels the least squares of all alike give up the few large ones, which are what a model
// is made of (of sotu-8m, 2 % of perplexity).
func encodeQ2_K(dst []byte, x, w []float32) {
	var mean float64
	for _, v := range x {
		mean += float64(v) * float64(v) / 256
	}
	var by [256]float32
	for i, v := range x {
		by[i] = w[i] * float32(math.Sqrt(float64(v)*float64(v)+mean))
	}
	if mean == 0 {
		copy(by[:], w)
	}
	g := newGroups(dst[80:], dst[82:], x, by[:], 16, 3, 15)
	for i := range 16 {
		dst[i] = byte(g.scale[i] | g.low[i]<<4)
	}
	for i := range x {
		dst[16+i/128*32+i%32] |= g.q[i] << (i / 32 % 4 * 2)
	}
}

func encodeQ4_K(dst []byte, x, w []float32) {
	q := encodeGroupsK(dst, x, w, 15)
	PackNibbles(dst[16:], q[:], 32)
}

func encodeQ5_K(dst []byte, x, w []float32) {
	q := encodeGroupsK(dst, x, w, 31)
	for i, q := range q {
		dst[16+i%32] |= q >> 4 << (i / 32)
	}
	PackNibbles(dst[48:], q[:], 32)
}

// encodeGroupsK writes the 16 bytes with which Q4_K and Q5_K begin and returns the
// levels, 0…top.
func encodeGroupsK(dst []byte, x, w []float32, top int) (q [256]byte) {
	g := newGroups(dst, dst[2:], x, w, 32, top, 63)
	b := dst[4:16]
	for i := range 4 {
		b[i] = byte(g.scale[i] | g.scale[i+4]>>4<<6)
		b[i+4] = byte(g.low[i] | g.low[i+4]>>4<<6)
		b[i+8] = byte(g.scale[i+4]&15 | g.low[i+4]&15<<4)
	}
	return g.q
}

// groups is a block under construction:
//
//	x ≈ d·scale·q − dmin·low      q: 0…top; scale and low, of a group: 0…limit
type groups struct {
	x, w       []float32
	size       int // elements in a group
	top, limit int
	d, dmin    float32
	scale, low [16]int
	q          [256]byte
}

// newGroups fits a block, and writes its d and dmin. Each group is fitted alone; its
// scale and minimum are rounded to steps of the largest; then twice, each group looks
// among the neighbours of its scale and minimum, and d and dmin are fitted to the levels
// of all groups.
func newGroups(d, dmin []byte, x, w []float32, size, top, limit int) *groups {
	g := &groups{x: x, w: w, size: size, top: top, limit: limit}
	var s, m [16]float32
	for i := range len(x) / size {
		s[i], m[i] = fitRange(x[size*i:][:size], w[size*i:][:size], top, true)
		g.d, g.dmin = max(g.d, s[i]/float32(limit)), max(g.dmin, -m[i]/float32(limit))
	}
	g.d, g.dmin = putHalf(d, g.d), putHalf(dmin, g.dmin)
	for i := range len(x) / size {
		g.scale[i], g.low[i] = nearest(s[i], g.d, 0, limit), nearest(-m[i], g.dmin, 0, limit)
	}
	for range 2 {
		for i := range len(x) / size {
			g.look(i)
		}
		g.levels()
		newD, newMin := g.fit()
		g.d, g.dmin = putHalf(d, newD), putHalf(dmin, newMin)
	}
	g.levels()
	return g
}

// levels gives every element its level under the present scales.
func (g *groups) levels() {
	for n := range len(g.x) / g.size {
		levels(g.q[g.size*n:], g.x[g.size*n:][:g.size], -g.dmin*float32(g.low[n]), inverse(g.d*float32(g.scale[n])), 0, float32(g.top), 0)
	}
}

// look gives group n the scale and the minimum with the least error, of scales at most one
// away and minimums at most two.
func (g *groups) look(n int) {
	var off, by, step, loss each
	at := func(t int) (scale, low int) { // the last try is the middle once more
		if t == tries-1 {
			return g.scale[n], g.low[n]
		}
		return min(max(g.scale[n]+t/5-1, 0), g.limit), min(max(g.low[n]+t%5-2, 0), g.limit)
	}
	for t := range tries {
		s, l := at(t)
		step[t], off[t] = g.d*float32(s), -g.dmin*float32(l)
		by[t] = inverse(step[t])
	}
	levelLoss(&loss, g.x[g.size*n:][:g.size], g.w[g.size*n:][:g.size], &off, &by, &step, 0, float32(g.top))
	g.scale[n], g.low[n] = at(bestTry(&loss))
}

// bestTry is the try of least loss, the last where they are alike.
func bestTry(loss *each) int {
	best := tries - 1
	for t, l := range loss {
		if l < loss[best] {
			best = t
		}
	}
	return best
}

// fit returns the d and dmin that fit best, by least squares, what the levels stand for.
func (g *groups) fit() (d, dmin float32) {
	var aa, ab, bb, xa, xb float64
	for n := range len(g.x) / g.size {
		var w, wx, wq, wqq, wxq float64
		for i, v := range g.x[g.size*n:][:g.size] {
			by, q, v := float64(g.w[g.size*n+i]), float64(g.q[g.size*n+i]), float64(v)
			w, wx, wq, wqq, wxq = w+by, wx+by*v, wq+by*q, wqq+by*q*q, wxq+by*v*q
		}
		a, b := float64(g.scale[n]), -float64(g.low[n])
		aa, ab, bb, xa, xb = aa+a*a*wqq, ab+a*b*wq, bb+b*b*w, xa+a*wxq, xb+b*wx
	}
	det := aa*bb - ab*ab
	switch {
	case det > 1e-9*aa*bb:
		if d, m := (bb*xa-ab*xb)/det, (aa*xb-ab*xa)/det; d > 0 && m >= 0 {
			return float32(d), float32(m)
		}
	case bb == 0 && aa > 0:
		return float32(xa / aa), g.dmin
	}
	return g.d, g.dmin
}
