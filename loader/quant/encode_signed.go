package quant

import (
	"encoding/binary"
	"math"
)

// The types of 256 elements a block whose groups have signed scales of their own.

func encodeQ6_K(dst []byte, x, w []float32) {
	g := newWhole(dst[208:], x, w, -32, 31, -128, 127)
	var q [256]byte
	for i := range x {
		q[i] = g.q[i] + 32
		dst[128+i/128*32+i%32] |= q[i] >> 4 << (i / 32 % 4 * 2)
	}
	PackNibbles(dst, q[:], 64)
	for i, s := range g.scale {
		dst[192+i] = byte(int8(s))
	}
}

func encodeQ3_K(dst []byte, x, w []float32) {
	g := newWhole(dst[108:], x, w, -4, 3, -32, 31)
	for i := range x {
		q := g.q[i] + 4
		dst[i%32] |= q >> 2 << (i / 32)
		dst[32+i/128*32+i%32] |= q & 3 << (i / 32 % 4 * 2)
	}
	for i, s := range g.scale {
		s := byte(s + 32)
		dst[96+i%8] |= s & 15 << (i / 8 * 4)
		dst[104+i%4] |= s >> 4 << (i / 4 * 2)
	}
}

func encodeIQ4_XS(dst []byte, x, w []float32) {
	g := newSigned(dst, x, w, 32, -127, 14, levelIQ4NL, -32, 31)
	var high uint16
	var low uint32
	for i, s := range g.scale[:8] {
		high |= uint16((s+32)>>4) << (2 * i)
		low |= uint32((s+32)&15) << (4 * i)
	}
	binary.LittleEndian.PutUint16(dst[2:], high)
	binary.LittleEndian.PutUint32(dst[4:], low)
	var q [256]byte
	for i := range x {
		q[i] = nearestIQ4NL(g.value(i))
	}
	PackNibbles(dst[8:], q[:], 16)
}

// signed is a block under construction:
//
//	x ≈ d·scale·value      scale, of a group: lo…hi; value: one of the type's levels
type signed struct {
	x, w   []float32
	size   int // elements in a group
	levels func(float64) float64
	lo, hi int
	d      float32
	scale  [16]int
}

// newSigned fits a block, and writes its d. Each group is fitted alone (see fitScale), its
// scale rounded to steps of the largest, which is lo; then twice, d is fitted to the
// values of all groups, and each group looks among the neighbours of its scale.
func newSigned(d []byte, x, w []float32, size int, first, spread float64, levels func(float64) float64, lo, hi int) *signed {
	g := &signed{x: x, w: w, size: size, levels: levels, lo: lo, hi: hi}
	var s [16]float32
	var largest float32
	for n := range len(x) / size {
		s[n] = fitScale(x[size*n:][:size], w[size*n:][:size], first, spread, levels)
		if max(s[n], -s[n]) > max(largest, -largest) {
			largest = s[n]
		}
	}
	g.d = putHalf(d, largest/float32(lo))
	for n := range len(x) / size {
		g.scale[n] = nearest(s[n], g.d, lo, hi)
	}
	for range 2 {
		var aa, xa float64
		for i, v := range x {
			a, w := float64(g.scale[i/size])*g.value(i), float64(w[i])
			aa, xa = aa+w*a*a, xa+w*float64(v)*a
		}
		if aa > 0 {
			g.d = putHalf(d, float32(xa/aa))
		}
		for n := range len(x) / size {
			g.look(n)
		}
	}
	return g
}

// value is what element i becomes, in steps of its group.
func (g *signed) value(i int) float64 { return g.at(i, g.d*float32(g.scale[i/g.size])) }

func (g *signed) at(i int, step float32) float64 {
	if step == 0 {
		return g.levels(0)
	}
	return g.levels(float64(g.x[i]) / float64(step))
}

// look gives group n the scale with the least error, of those at most one away.
func (g *signed) look(n int) {
	best, found := math.Inf(1), g.scale[n]
	for s := max(g.scale[n]-1, g.lo); s <= min(g.scale[n]+1, g.hi); s++ {
		step, loss := g.d*float32(s), 0.0
		for i := g.size * n; i < g.size*(n+1); i++ {
			off := float64(g.x[i]) - float64(step)*g.at(i, step)
			loss += float64(g.w[i]) * off * off
		}
		if loss < best {
			best, found = loss, s
		}
	}
	g.scale[n] = found
}
