package quant

import "math"

// The types of 256 elements a block whose groups have scales and minimums of their own.

func encodeQ2_K(dst []byte, x, w []float32) {
	g := newGroups(dst[80:], dst[82:], x, w, 16, 3, 15)
	for i := range 16 {
		dst[i] = byte(g.scale[i] | g.low[i]<<4)
	}
	for i := range x {
		dst[16+i/128*32+i%32] |= g.level(i) << (i / 32 % 4 * 2)
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
	for i := range x {
		q[i] = g.level(i)
	}
	return q
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
		newD, newMin := g.fit()
		g.d, g.dmin = putHalf(d, newD), putHalf(dmin, newMin)
	}
	return g
}

// level is q of element i.
func (g *groups) level(i int) byte {
	n := i / g.size
	return byte(nearest(g.x[i]+g.dmin*float32(g.low[n]), g.d*float32(g.scale[n]), 0, g.top))
}

// look gives group n the scale and the minimum with the least error, of those at most
// one away.
func (g *groups) look(n int) {
	scale, low, best := g.scale[n], g.low[n], math.Inf(1)
	bestScale, bestLow := scale, low
	for s := max(scale-1, 0); s <= min(scale+1, g.limit); s++ {
		for l := max(low-1, 0); l <= min(low+1, g.limit); l++ {
			step, lowest, loss := g.d*float32(s), g.dmin*float32(l), 0.0
			for i, v := range g.x[g.size*n:][:g.size] {
				off := float64(v - (step*float32(nearest(v+lowest, step, 0, g.top)) - lowest))
				loss += float64(g.w[g.size*n+i]) * off * off
			}
			if loss < best {
				best, bestScale, bestLow = loss, s, l
			}
		}
	}
	g.scale[n], g.low[n] = bestScale, bestLow
}

// fit returns the d and dmin that fit best, by least squares, what the levels under the
// present ones stand for.
func (g *groups) fit() (d, dmin float32) {
	var aa, ab, bb, xa, xb float64
	for i, v := range g.x {
		a, b := float64(g.scale[i/g.size])*float64(g.level(i)), -float64(g.low[i/g.size])
		w, v := float64(g.w[i]), float64(v)
		aa, ab, bb, xa, xb = aa+w*a*a, ab+w*a*b, bb+w*b*b, xa+w*v*a, xb+w*v*b
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
