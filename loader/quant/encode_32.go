package quant

import (
	"encoding/binary"
	"math"
	"slices"
)

// The types of 32 elements a block; their layouts stand at the functions that read them.
// Where all elements weigh the same, all but IQ4_NL are written at once, as the ggml library
// does it: to look for the step that loses least takes ten times as long, to lose a
// twentieth less.

func encodeQ8_0(dst []byte, x, _ []float32) {
	for ; len(x) > 0; dst, x = dst[34:], x[32:] {
		lo, hi := bounds(x[:32])
		d := putHalf(dst, max(-lo, hi)/127)
		levels(dst[2:34], x[:32], 0, inverse(d), -127, 127, 0)
	}
}

func encodeQ4_0(dst []byte, x, w []float32) {
	encodeSigned(dst, x, w, 8, firstsQ4, func(dst []byte, q *[32]byte) { putFours(dst[2:], q) })
}

func encodeQ5_0(dst []byte, x, w []float32) {
	encodeSigned(dst, x, w, 16, firstsQ5, func(dst []byte, q *[32]byte) { putFives(dst[2:], q) })
}

var (
	firstsQ4, firstsQ5 = spread(-9, -7, 16), spread(-17, -15, 16)
	firstsIQ4          = spread(-141, -113, 21)
	nearIQ4            = nearby(neighbours(1, 0)...)
)

// eight are up to eight blocks, which are searched side by side.
type eight struct {
	side
	x, w [256]float32 // of fewer blocks
}

// fill takes in the blocks; one without weights above 0 has weights of 1.
func (e *eight) fill(x, w []float32) {
	if len(x) < 256 || w != nil {
		clear(e.x[copy(e.x[:], x):])
		x = e.x[:]
	}
	if w == nil {
		e.side.fill(x, nil)
		return
	}
	clear(e.w[copy(e.w[:], w):])
	for i := 0; i < 256; i += 32 {
		if weightsOf(e.w[:], i, 32) == nil {
			copy(e.w[i:i+32], ones[:])
		}
	}
	e.side.fill(x, e.w[:])
}

var ones = [32]float32(slices.Repeat([]float32{1}, 32))

// eights calls encode for up to eight blocks at a time.
func eights(dst []byte, x, w []float32, encode func(dst []byte, x, w []float32)) {
	size := len(dst) / (len(x) / 32)
	for len(x) > 0 {
		n := min(len(x), 256)
		if w == nil {
			encode(dst, x[:n], nil)
		} else {
			encode(dst, x[:n], w[:n])
			w = w[n:]
		}
		dst, x = dst[n/32*size:], x[n:]
	}
}

// encodeSigned writes d and has put write the levels, −half…half−1, from zero up.
func encodeSigned(dst []byte, x, w []float32, half int, firsts []lanes, put func(dst []byte, q *[32]byte)) {
	lo, hi := float32(-half), float32(half-1)
	size := len(dst) / (len(x) / 32)
	var e eight
	var step lanes
	var q [32]byte
	eights(dst, x, w, func(dst []byte, x, w []float32) {
		if w != nil {
			e.fill(x, w)
			e.fit(&step, firsts, whole, lo, hi)
		}
		for i := range len(x) / 32 {
			x, dst := x[32*i:][:32], dst[size*i:]
			if w == nil {
				low, high := bounds(x)
				if step[i] = high / lo; -low >= high {
					step[i] = low / lo
				}
			}
			d := putHalf(dst, step[i])
			levels(q[:], x, 0, inverse(d), lo, hi, half)
			put(dst, &q)
		}
	})
}

func encodeQ4_1(dst []byte, x, w []float32) {
	encodeRange(dst, x, w, 15, cuts15, func(dst []byte, q *[32]byte) { putFours(dst[4:], q) })
}

func encodeQ5_1(dst []byte, x, w []float32) {
	encodeRange(dst, x, w, 31, cuts31, func(dst []byte, q *[32]byte) { putFives(dst[4:], q) })
}

// encodeRange writes d and m and has put write the levels, 0…top.
func encodeRange(dst []byte, x, w []float32, top float32, cuts []lanes, put func(dst []byte, q *[32]byte)) {
	size := len(dst) / (len(x) / 32)
	var e eight
	var step, lowest lanes
	var q [32]byte
	eights(dst, x, w, func(dst []byte, x, w []float32) {
		if w != nil {
			e.fill(x, w)
			e.fitRange(&step, &lowest, cuts, top, false)
		}
		for i := range len(x) / 32 {
			x, dst := x[32*i:][:32], dst[size*i:]
			if w == nil {
				low, high := bounds(x)
				step[i], lowest[i] = (high-low)/top, low
			}
			d, m := putHalf(dst, step[i]), putHalf(dst[2:], lowest[i])
			levels(q[:], x, m, inverse(d), 0, top, 0)
			put(dst, &q)
		}
	})
}

// putFours writes levels of four bits, the first 16 in the low nibbles.
func putFours(dst []byte, q *[32]byte) {
	for i := 0; i < 16; i += 8 {
		low, high := binary.LittleEndian.Uint64(q[i:]), binary.LittleEndian.Uint64(q[i+16:])
		binary.LittleEndian.PutUint64(dst[i:], low|high<<4) // no level has more bits
	}
}

// putFives writes levels of five bits: the fifth ones in 4 bytes, then the nibbles.
func putFives(dst []byte, q *[32]byte) {
	var four [32]byte
	for i := 0; i < 32; i += 8 {
		eight := binary.LittleEndian.Uint64(q[i:])
		dst[i/8] = byte(eight >> 4 & 0x0101010101010101 * 0x0102040810204080 >> 56) // the fifth bit of each byte, one beside the other
		binary.LittleEndian.PutUint64(four[i:], eight&nibblesOf8)
	}
	putFours(dst[4:], &four)
}

func encodeIQ4_NL(dst []byte, x, w []float32) {
	var e eight
	var step lanes
	var q [32]byte
	eights(dst, x, w, func(dst []byte, x, w []float32) {
		e.fill(x, w)
		e.fit(&step, firstsIQ4, iq4nl, 0, 0)
		for i := range len(x) / 32 {
			d := putHalf(dst[18*i:], step[i])
			nibblesIQ4(q[:], x[32*i:][:32], inverse(d))
			putFours(dst[18*i+2:], &q)
		}
	})
}

// nibblesIQ4 gives the nibbles whose values are nearest to x·inverse; where that is 0, zeros.
func nibblesIQ4(q []byte, x []float32, inverse float32) {
	for i, v := range x {
		q[i] = 0
		if inverse != 0 {
			q[i] = nearestIQ4NL(float32(v * inverse))
		}
	}
}

// nearestIQ4NL returns the nibble whose value is nearest to v.
func nearestIQ4NL(v float32) byte {
	if !(v > -127) { // or no number
		return 0
	}
	return nibblesIQ4NL[int(math.Ceil(2*float64(lesser(v, 127))))+256]
}

// nibblesIQ4NL has the nibble for v by ⌈2v⌉ + 256: between two values, a and b, the higher
// one where 2v > a + b.
var nibblesIQ4NL = func() (t [512]byte) {
	for at := range t {
		for i := range 15 {
			if at-256 > int(valuesIQ4NL[i])+int(valuesIQ4NL[i+1]) {
				t[at] = byte(i + 1)
			}
		}
	}
	return t
}()

// levelIQ4NL is the value nearest to v.
func levelIQ4NL(v float32) float32 { return float32(valuesIQ4NL[nearestIQ4NL(v)]) }

// encodeMXFP4 takes the exponent that brings the value farthest from zero to the last levels,
// or where elements have weights the best of the three round it.
func encodeMXFP4(dst []byte, x, w []float32) {
	for i := 0; 32*i < len(x); i++ {
		encodeFP4(dst[17*i:], x[32*i:][:32], weightsOf(w, 32*i, 32))
	}
}

func encodeFP4(dst []byte, x, w []float32) {
	lo, hi := bounds(x)
	m := max(float64(hi), -float64(lo))
	if m == 0 {
		return
	}
	first := math.Ilogb(m) + 125
	var q [32]byte
	if w == nil {
		e := min(max(first, 1), 254)
		dst[0] = byte(e)
		levelsFP4(q[:], x, float32(math.Ldexp(1, 128-e)))
		putFours(dst[1:], &q)
		return
	}
	best := math.Inf(1)
	for e := first - 1; e <= first+1; e++ {
		e := min(max(e, 1), 254)
		step, loss := math.Ldexp(1, e-128), 0.0
		levelsFP4(q[:], x, float32(1/step))
		for i, v := range x {
			off := float64(v) - float64(valuesFP4[q[i]])*step
			loss += float64(w[i]) * off * off
		}
		if loss < best {
			best = loss
			dst[0] = byte(e)
			putFours(dst[1:], &q)
		}
	}
}

// levelsFP4Plain gives the nibbles whose values are nearest to x·inverse, of two as near the one
// nearer to zero, which has no sign.
func levelsFP4Plain(q []byte, x []float32, inverse float32) {
	for i, v := range x {
		v := float32(v * inverse)
		a := math.Float32frombits(math.Float32bits(v) &^ (1 << 31))
		var n byte
		for _, between := range betweenFP4 {
			if a > between {
				n++
			}
		}
		if v < 0 && n > 0 {
			n |= 8
		}
		q[i] = n
	}
}

// betweenFP4 lie halfway between the values of FP4, doubled.
var betweenFP4 = [7]float32{0.5, 1.5, 2.5, 3.5, 5, 7, 10}
