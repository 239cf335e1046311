package quant

import (
	"encoding/binary"
	"math"
)

// The types of 256 elements a block whose groups have scales of their own: eight groups of
// 32, or twice eight of 16.

// block is a block under construction:
//
//	x ≈ d·scale·q − dmin·low
type block struct {
	side       [2]side
	sides      int
	scale, low [2]lanes // whole numbers
	grid       grid
}

// fill takes in 256 elements in groups of so many; w is nil for weights of 1.
func (b *block) fill(x, w []float32, size int) {
	n := 8 * size
	b.sides = len(x) / n
	for i := range b.sides {
		if w == nil {
			b.side[i].fill(x[n*i:][:n], nil)
		} else {
			b.side[i].fill(x[n*i:][:n], w[n*i:][:n])
		}
	}
}

// weightsOf are the weights of a block; nil where they are all alike.
func weightsOf(w []float32, at, n int) []float32 {
	if w == nil {
		return nil
	}
	for _, v := range w[at : at+n] {
		if v > 0 {
			return w[at : at+n]
		}
	}
	return nil
}

// blocksOf calls encode for each block of 256 elements.
func blocksOf(dst []byte, x, w []float32, encode func(dst []byte, x, w []float32)) {
	size := len(dst) / (len(x) / 256)
	for i := 0; 256*i < len(x); i++ {
		encode(dst[size*i:][:size], x[256*i:][:256], weightsOf(w, 256*i, 256))
	}
}

// Tries: parts of a range, levels for the element farthest from zero, neighbours.
var (
	cuts3, cuts15, cuts31 = spread(2, 4, 16), spread(14, 16, 16), spread(30, 32, 16)
	firstsQ3, firstsQ6    = spread(-5, -3, 9), spread(-33, -31, 16)
	nearRange             = nearby(neighbours(1, 2)...)
	nearQ3, nearQ6        = nearby(neighbours(2, 0)...), nearby(neighbours(7, 0)...)
)

// spread are n numbers from lo to hi.
func spread(lo, hi float64, n int) (s []lanes) {
	for i := range n {
		s = append(s, same(float32(lo+(hi-lo)*float64(i)/float64(n-1))))
	}
	return s
}

// neighbours are so far from a scale and from a minimum; {0, 0} is the first.
func neighbours(scale, low int) (n [][2]float32) {
	n = append(n, [2]float32{})
	for s := -scale; s <= scale; s++ {
		for l := -low; l <= low; l++ {
			if s != 0 || l != 0 {
				n = append(n, [2]float32{float32(s), float32(l)})
			}
		}
	}
	return n
}

// fitRange fits a block, and writes its d and dmin. Each group is fitted alone; its scale
// and minimum, 0…limit, are rounded to steps of the largest; then twice, each group looks
// among the neighbours of its scale and minimum, and d and dmin are fitted to the levels
// of all groups.
func (b *block) fitRange(d, dmin []byte, cuts []lanes, top, limit float32) {
	b.grid = grid{to: limit, hi: top}
	g := &b.grid
	for i := range b.sides {
		b.side[i].fitRange(&b.scale[i], &b.low[i], cuts, top, true)
		for l := range 8 {
			g.d, g.dmin = max(g.d, b.scale[i][l]/limit), max(g.dmin, -b.low[i][l]/limit)
		}
	}
	g.d, g.dmin = putHalf(d, g.d), putHalf(dmin, g.dmin)
	byD, byMin := inverse(g.d), -inverse(g.dmin)
	for i := range b.sides {
		for l := range 8 {
			b.scale[i][l], b.low[i][l] = level(b.scale[i][l], byD, 0, limit), level(b.low[i][l], byMin, 0, limit)
		}
	}
	for range 2 {
		var f fit
		for i := range b.sides {
			b.side[i].look(g, nearRange, &b.scale[i], &b.low[i])
			f.add(&b.side[i], g, &b.scale[i], &b.low[i])
		}
		newD, newMin := f.solve(g)
		g.d, g.dmin = putHalf(d, newD), putHalf(dmin, newMin)
	}
}

// fitSigned fits a block of scales from…to without minimums, and writes its d. Each group
// is fitted alone, its scale rounded to steps of the largest, which is from; then twice, d is
// fitted to the levels of all groups, and each group looks among the neighbours of its scale.
func (b *block) fitSigned(d []byte, firsts []lanes, near []near, g grid) {
	b.low = [2]lanes{}
	b.grid = g
	var largest float32
	for i := range b.sides {
		b.side[i].fit(&b.scale[i], firsts, g.c, g.lo, g.hi)
		for _, s := range b.scale[i] {
			if max(s, -s) > max(largest, -largest) {
				largest = s
			}
		}
	}
	b.grid.d = putHalf(d, largest/g.from)
	by := inverse(b.grid.d)
	for i := range b.sides {
		for l := range 8 {
			b.scale[i][l] = level(b.scale[i][l], by, g.from, g.to)
		}
	}
	for range 2 {
		var f fit
		for i := range b.sides {
			f.add(&b.side[i], &b.grid, &b.scale[i], &b.low[i])
		}
		if f.aa > 0 {
			if fit := float32(f.xa / f.aa); fit != 0 {
				b.grid.d = putHalf(d, fit)
			}
		}
		for i := range b.sides {
			b.side[i].look(&b.grid, near, &b.scale[i], &b.low[i])
		}
	}
}

// fit has the sums for the least squares of x ≈ d·a + dmin·b, a = scale·q and b = −low.
type fit struct {
	aa, ab, bb, xa, xb float64
}

func (f *fit) add(s *side, g *grid, scale, low *lanes) {
	var t sums
	s.sum(g, scale, low, &t)
	for l := range 8 {
		a, b := float64(scale[l]), -float64(low[l])
		f.aa, f.ab, f.bb = f.aa+a*a*float64(t.qq[l]), f.ab+a*b*float64(t.q[l]), f.bb+b*b*float64(t.w[l])
		f.xa, f.xb = f.xa+a*float64(t.xq[l]), f.xb+b*float64(t.x[l])
	}
}

// solve returns the d and dmin that fit best; those of g where nothing tells them.
func (f *fit) solve(g *grid) (d, dmin float32) {
	det := f.aa*f.bb - f.ab*f.ab
	switch {
	case det > 1e-6*f.aa*f.bb:
		if d, m := (f.bb*f.xa-f.ab*f.xb)/det, (f.aa*f.xb-f.ab*f.xa)/det; d > 0 && m >= 0 {
			return float32(d), float32(m)
		}
	case f.bb == 0 && f.aa > 0:
		return float32(f.xa / f.aa), g.dmin
	}
	return g.d, g.dmin
}

// levels writes the levels of all elements, and something more, to q.
func (b *block) levels(q *[256]byte, plus int) {
	g := &b.grid
	for i := range b.sides {
		var off, by lanes
		for l := range 8 {
			off[l], by[l] = -float32(g.dmin*b.low[i][l]), inverse(float32(g.d*b.scale[i][l]))
		}
		if b.sides == 1 {
			b.side[i].levels(q, &off, &by, g.lo, g.hi, plus)
			return
		}
		var half [256]byte
		b.side[i].levels(&half, &off, &by, g.lo, g.hi, plus)
		copy(q[128*i:], half[:128])
	}
}

// encodeQ2_K lets elements weigh more the larger they are, by √(x² + mean of x²): with four
// levels the least squares of all alike give up the few large ones, which are what a model
// is made of (of sotu-8m, 2 % of perplexity).
func encodeQ2_K(dst []byte, x, w []float32) {
	var b block
	var by [256]float32
	blocksOf(dst, x, w, func(dst []byte, x, w []float32) {
		if magnitudes(&by, x, w) {
			w = by[:]
		}
		b.fill(x, w, 16)
		b.fitRange(dst[80:], dst[82:], cuts3, 3, 15)
		for i := range 16 {
			dst[i] = byte(b.scale[i/8][i%8]) | byte(b.low[i/8][i%8])<<4
		}
		var q [256]byte
		b.levels(&q, 0)
		for i := 0; i < 256; i += 32 {
			placeBits(dst[16+i/128*32:][:32], q[i:], 0, 3, i/32%4*2)
		}
	})
}

// magnitudes gives every element its weight, w·√(x² + mean of x²); false if all is 0.
func magnitudes(by *[256]float32, x, w []float32) bool {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	mean := sum / 256
	for i, v := range x {
		by[i] = float32(math.Sqrt(float64(v)*float64(v) + mean))
	}
	for i, v := range w {
		by[i] *= v
	}
	return mean > 0
}

func encodeQ4_K(dst []byte, x, w []float32) {
	var b block
	blocksOf(dst, x, w, func(dst []byte, x, w []float32) {
		var q [256]byte
		b.fill(x, w, 32)
		b.groups(dst, &q, cuts15, 15)
		PackNibbles(dst[16:], q[:], 32)
	})
}

func encodeQ5_K(dst []byte, x, w []float32) {
	var b block
	blocksOf(dst, x, w, func(dst []byte, x, w []float32) {
		var q [256]byte
		b.fill(x, w, 32)
		b.groups(dst, &q, cuts31, 31)
		for i := range 8 {
			placeBits(dst[16:][:32], q[32*i:], 4, 1, i)
		}
		PackNibbles(dst[48:], q[:], 32)
	})
}

// groups writes the 16 bytes with which Q4_K and Q5_K begin, and the levels, 0…top.
func (b *block) groups(dst []byte, q *[256]byte, cuts []lanes, top float32) {
	b.fitRange(dst, dst[2:], cuts, top, 63)
	b.levels(q, 0)
	var scale, low [8]byte
	for i := range 8 {
		scale[i], low[i] = byte(b.scale[0][i]), byte(b.low[0][i])
	}
	dst = dst[4:16]
	for i := range 4 {
		dst[i] = scale[i] | scale[i+4]>>4<<6
		dst[i+4] = low[i] | low[i+4]>>4<<6
		dst[i+8] = scale[i+4]&15 | low[i+4]&15<<4
	}
}

// signed fits a block of groups of 16 with scales from…to alone, writes its d, and gives
// its levels, from 0 on, and its scales.
func (b *block) signed(d []byte, x, w []float32, firsts []lanes, near []near, g grid) (q [256]byte, scale [16]int8) {
	b.fill(x, w, 16)
	b.fitSigned(d, firsts, near, g)
	b.levels(&q, int(-g.lo))
	for i := range scale {
		scale[i] = int8(b.scale[i/8][i%8])
	}
	return q, scale
}

func encodeQ6_K(dst []byte, x, w []float32) {
	var b block
	blocksOf(dst, x, w, func(dst []byte, x, w []float32) {
		q, scale := b.signed(dst[208:], x, w, firstsQ6, nearQ6, grid{from: -128, to: 127, lo: -32, hi: 31})
		for i := 0; i < 256; i += 32 {
			placeBits(dst[128+i/128*32:][:32], q[i:], 4, 3, i/32%4*2)
		}
		PackNibbles(dst, q[:], 64)
		for i, s := range scale {
			dst[192+i] = byte(s)
		}
	})
}

func encodeQ3_K(dst []byte, x, w []float32) {
	var b block
	blocksOf(dst, x, w, func(dst []byte, x, w []float32) {
		q, scale := b.signed(dst[108:], x, w, firstsQ3, nearQ3, grid{from: -32, to: 31, lo: -4, hi: 3})
		for i := 0; i < 256; i += 32 {
			placeBits(dst[:32], q[i:], 2, 1, i/32)
			placeBits(dst[32+i/128*32:][:32], q[i:], 0, 3, i/32%4*2)
		}
		for i, v := range scale {
			s := byte(v + 32)
			dst[96+i%8] |= s & 15 << (i / 8 * 4)
			dst[104+i%4] |= s >> 4 << (i / 4 * 2)
		}
	})
}

func encodeIQ4_XS(dst []byte, x, w []float32) {
	var b block
	blocksOf(dst, x, w, func(dst []byte, x, w []float32) {
		b.fill(x, w, 32)
		b.fitSigned(dst, firstsIQ4, nearIQ4, grid{from: -32, to: 31, c: iq4nl})
		var high uint16
		var low uint32
		var q [256]byte
		for i, s := range b.scale[0] {
			scale := uint32(int32(s) + 32)
			high |= uint16(scale>>4) << (2 * i)
			low |= scale & 15 << (4 * i)
			nibblesIQ4(q[32*i:], x[32*i:][:32], inverse(b.grid.d*s))
		}
		binary.LittleEndian.PutUint16(dst[2:], high)
		binary.LittleEndian.PutUint32(dst[4:], low)
		PackNibbles(dst[8:], q[:], 16)
	})
}
