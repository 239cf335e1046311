package quant

import (
	"encoding/binary"
	"math"
)

// The types of 32 elements a block; their layouts stand at the functions that read them.

func encodeQ8_0(dst []byte, x, _ []float32) {
	lo, hi := bounds(x)
	d := putHalf(dst, max(-lo, hi)/127)
	levels(dst[2:34], x, 0, inverse(d), -127, 127, 0)
}

// Where all elements weigh the same, these four are written at once, as the ggml library does
// it: a search like that of fitWhole and fitRange takes ten times as long, to lose a
// twentieth less.

func encodeQ4_0(dst []byte, x, w []float32) {
	q := encodeSigned(dst, x, w, 8)
	putFours(dst[2:], &q)
}

func encodeQ5_0(dst []byte, x, w []float32) {
	q := encodeSigned(dst, x, w, 16)
	putFives(dst[2:], &q)
}

// encodeSigned writes d and returns the levels, −half…half−1, from zero up.
func encodeSigned(dst []byte, x, w []float32, half int) (q [32]byte) {
	lo, hi := float32(-half), float32(half-1)
	step := float32(0)
	if alike(w) {
		least, most := bounds(x)
		if step = most / lo; -least >= most {
			step = least / lo
		}
	} else {
		step = fitWhole(x, w, float64(lo), 1, lo, hi)
	}
	d := putHalf(dst, step)
	levels(q[:], x, 0, inverse(d), lo, hi, half)
	return q
}

func encodeQ4_1(dst []byte, x, w []float32) {
	q := encodeRange(dst, x, w, 15)
	putFours(dst[4:], &q)
}

func encodeQ5_1(dst []byte, x, w []float32) {
	q := encodeRange(dst, x, w, 31)
	putFives(dst[4:], &q)
}

// encodeRange writes d and m and returns the levels, 0…top.
func encodeRange(dst []byte, x, w []float32, top int) (q [32]byte) {
	var s, lowest float32
	if alike(w) {
		lo, hi := bounds(x)
		s, lowest = (hi-lo)/float32(top), lo
	} else {
		s, lowest = fitRange(x, w, top, false)
	}
	d, m := putHalf(dst, s), putHalf(dst[2:], lowest)
	levels(q[:], x, m, inverse(d), 0, float32(top), 0)
	return q
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
		binary.LittleEndian.PutUint64(four[i:], eight&0x0f0f0f0f0f0f0f0f)
	}
	putFours(dst[4:], &four)
}

func encodeIQ4_NL(dst []byte, x, w []float32) {
	d := putHalf(dst, fitScale(x, w, -127, 14, levelIQ4NL))
	var q [32]byte
	for i, v := range x {
		if d != 0 {
			q[i] = nearestIQ4NL(float64(v) / float64(d))
		}
	}
	PackNibbles(dst[2:], q[:], 16)
}

// nearestIQ4NL returns the nibble whose value is nearest to v.
func nearestIQ4NL(v float64) byte {
	if !(v > -127) { // or no number
		return 0
	}
	return nibblesIQ4NL[int(math.Ceil(2*min(v, 127)))+256]
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
func levelIQ4NL(v float64) float64 { return float64(valuesIQ4NL[nearestIQ4NL(v)]) }

// encodeMXFP4 takes the exponent that brings the value farthest from zero to the last levels,
// or where elements have weights the best of the three round it.
func encodeMXFP4(dst []byte, x, w []float32) {
	lo, hi := bounds(x)
	m := max(float64(hi), -float64(lo))
	if m == 0 {
		return
	}
	first, last := math.Ilogb(m)+125, math.Ilogb(m)+125
	if !alike(w) {
		first, last = first-1, last+1
	}
	best := math.Inf(1)
	for e := first; e <= last; e++ {
		e := min(max(e, 1), 254)
		var q [32]byte
		step, loss := math.Ldexp(1, e-128), 0.0
		for i, v := range x {
			v := math.Abs(float64(v)) / step
			n := levelsFP4[int(math.Ceil(2*min(v, 12)))]
			if first < last {
				off := (v - float64(valuesFP4[n])) * step
				loss += float64(w[i]) * off * off
			}
			if q[i] = n; x[i] < 0 && n > 0 {
				q[i] |= 8
			}
		}
		if loss < best {
			best = loss
			dst[0] = byte(e)
			putFours(dst[1:], &q)
		}
	}
}

// levelsFP4 has the number of the value nearest to v, which is not negative, by ⌈2v⌉: between
// two values, a and b, the higher one where 2v > a + b.
var levelsFP4 = func() (t [25]byte) {
	for at := range t {
		for i := range 7 {
			if at > int(valuesFP4[i])+int(valuesFP4[i+1]) {
				t[at] = byte(i + 1)
			}
		}
	}
	return t
}()
