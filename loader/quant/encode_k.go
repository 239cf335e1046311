package quant

import "math"

// The types of 256 elements a block, whose groups have scales of their own.

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
// levels, 0…top. Each group of 32 is fitted alone; its scale and minimum are rounded
// to 6 bits of the largest; then twice, d and dmin are fitted to the levels of all
// groups, and each group looks among the neighbours of its scale and minimum.
func encodeGroupsK(dst []byte, x, w []float32, top int) (q [256]byte) {
	var s, m [8]float32
	var d, dmin float32
	for g := range 8 {
		s[g], m[g] = fitRange(x[32*g:][:32], w[32*g:][:32], top, true)
		d, dmin = max(d, s[g]/63), max(dmin, -m[g]/63)
	}
	d, dmin = putHalf(dst, d), putHalf(dst[2:], dmin)
	var scale, low [8]int
	for g := range 8 {
		scale[g], low[g] = nearest(s[g], d, 0, 63), nearest(-m[g], dmin, 0, 63)
	}
	for range 2 {
		for g := range 8 {
			scale[g], low[g] = bestNear(x[32*g:][:32], w[32*g:][:32], d, dmin, scale[g], low[g], top)
		}
		d, dmin = fitBoth(x, w, d, dmin, scale, low, top)
		d, dmin = putHalf(dst, d), putHalf(dst[2:], dmin)
	}
	for g := range 8 {
		step, lowest := d*float32(scale[g]), dmin*float32(low[g])
		for i, v := range x[32*g:][:32] {
			q[32*g+i] = byte(nearest(v+lowest, step, 0, top))
		}
	}
	b := dst[4:16]
	for g := range 4 {
		b[g] = byte(scale[g] | scale[g+4]>>4<<6)
		b[g+4] = byte(low[g] | low[g+4]>>4<<6)
		b[g+8] = byte(scale[g+4]&15 | low[g+4]&15<<4)
	}
	return q
}

// bestNear returns the scale and the minimum of a group with the least error, of those
// at most one away.
func bestNear(x, w []float32, d, dmin float32, scale, low, top int) (bestScale, bestLow int) {
	best := math.Inf(1)
	for s := max(scale-1, 0); s <= min(scale+1, 63); s++ {
		for l := max(low-1, 0); l <= min(low+1, 63); l++ {
			step, lowest, loss := d*float32(s), dmin*float32(l), 0.0
			for i, v := range x {
				off := float64(v - (step*float32(nearest(v+lowest, step, 0, top)) - lowest))
				loss += float64(w[i]) * off * off
			}
			if loss < best {
				best, bestScale, bestLow = loss, s, l
			}
		}
	}
	return bestScale, bestLow
}

// fitBoth returns the d and dmin that fit best, by least squares, what the levels under
// the present ones stand for: x ≈ d·scale·q − dmin·low.
func fitBoth(x, w []float32, d, dmin float32, scale, low [8]int, top int) (float32, float32) {
	var aa, ab, bb, xa, xb float64
	for i, v := range x {
		g := i / 32
		a := float64(scale[g] * nearest(v+dmin*float32(low[g]), d*float32(scale[g]), 0, top))
		b, w, v := -float64(low[g]), float64(w[i]), float64(v)
		aa, ab, bb, xa, xb = aa+w*a*a, ab+w*a*b, bb+w*b*b, xa+w*v*a, xb+w*v*b
	}
	det := aa*bb - ab*ab
	switch {
	case det > 1e-9*aa*bb:
		if newD, newMin := (bb*xa-ab*xb)/det, (aa*xb-ab*xa)/det; newD > 0 && newMin >= 0 {
			return float32(newD), float32(newMin)
		}
	case bb == 0 && aa > 0:
		return float32(xa / aa), dmin
	}
	return d, dmin
}

func encodeQ6_K(dst []byte, x, w []float32) {
	var s [16]float32
	var largest float32
	for g := range s {
		s[g] = fitScale(x[16*g:][:16], w[16*g:][:16], -32, 1, integers(-32, 31))
		if max(s[g], -s[g]) > max(largest, -largest) {
			largest = s[g]
		}
	}
	d := putHalf(dst[208:], largest/-128)
	var scale [16]int
	level := func(i int) int { return nearest(x[i], d*float32(scale[i/16]), -32, 31) }
	for g := range s {
		scale[g] = nearest(s[g], d, -128, 127)
	}
	for range 2 {
		var aa, xa float64
		for i, v := range x {
			a, w := float64(scale[i/16]*level(i)), float64(w[i])
			aa, xa = aa+w*a*a, xa+w*float64(v)*a
		}
		if aa > 0 {
			d = putHalf(dst[208:], float32(xa/aa))
		}
		for g := range scale {
			scale[g] = bestScale(x[16*g:][:16], w[16*g:][:16], d, scale[g])
		}
	}
	var q [256]byte
	for i := range x {
		q[i] = byte(level(i) + 32)
		dst[128+i/128*32+i%32] |= q[i] >> 4 << (i / 32 % 4 * 2)
	}
	PackNibbles(dst, q[:], 64)
	for g := range scale {
		dst[192+g] = byte(int8(scale[g]))
	}
}

// bestScale returns the scale of a group of Q6_K with the least error, of those at most
// one away.
func bestScale(x, w []float32, d float32, scale int) (found int) {
	best := math.Inf(1)
	for s := max(scale-1, -128); s <= min(scale+1, 127); s++ {
		step, loss := d*float32(s), 0.0
		for i, v := range x {
			off := float64(v - step*float32(nearest(v, step, -32, 31)))
			loss += float64(w[i]) * off * off
		}
		if loss < best {
			best, found = loss, s
		}
	}
	return found
}
