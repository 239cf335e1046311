package quant

import (
	"encoding/binary"
	"math"
)

// The types of 32 elements a block; their layouts stand at the functions that read them.

func encodeQ8_0(dst []byte, x, _ []float32) {
	d := putHalf(dst, float32(math.Abs(farthest(x))/127))
	for i, v := range x {
		dst[2+i] = byte(int8(nearest(v, d, -127, 127)))
	}
}

func encodeQ4_0(dst []byte, x, w []float32) {
	q := encodeSigned(dst, x, w, 8)
	PackNibbles(dst[2:], q[:], 16)
}

func encodeQ5_0(dst []byte, x, w []float32) {
	q := encodeSigned(dst, x, w, 16)
	putFives(dst[2:], q)
}

// encodeSigned writes d and returns the levels, −half…half−1, from zero up.
func encodeSigned(dst []byte, x, w []float32, half int) (q [32]byte) {
	d := putHalf(dst, fitScale(x, w, -float64(half), 1, integers(-float64(half), float64(half-1))))
	for i, v := range x {
		q[i] = byte(nearest(v, d, -half, half-1) + half)
	}
	return q
}

func encodeQ4_1(dst []byte, x, w []float32) {
	q := encodeRange(dst, x, w, 15)
	PackNibbles(dst[4:], q[:], 16)
}

func encodeQ5_1(dst []byte, x, w []float32) {
	q := encodeRange(dst, x, w, 31)
	putFives(dst[4:], q)
}

// encodeRange writes d and m and returns the levels, 0…top.
func encodeRange(dst []byte, x, w []float32, top int) (q [32]byte) {
	s, lowest := fitRange(x, w, top, false)
	d, m := putHalf(dst, s), putHalf(dst[2:], lowest)
	for i, v := range x {
		q[i] = byte(nearest(v-m, d, 0, top))
	}
	return q
}

// putFives writes levels of five bits: the fifth ones in 4 bytes, then the nibbles.
func putFives(dst []byte, q [32]byte) {
	var high uint32
	for i, q := range q {
		high |= uint32(q>>4) << i
	}
	binary.LittleEndian.PutUint32(dst, high)
	PackNibbles(dst[4:], q[:], 16)
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
	i := 0
	for i < 15 && 2*v > float64(valuesIQ4NL[i])+float64(valuesIQ4NL[i+1]) {
		i++
	}
	return byte(i)
}

// levelIQ4NL is the value nearest to v.
func levelIQ4NL(v float64) float64 { return float64(valuesIQ4NL[nearestIQ4NL(v)]) }

// encodeMXFP4 looks among the three exponents round the one that brings the value
// farthest from zero to the last levels.
func encodeMXFP4(dst []byte, x, w []float32) {
	m := farthest(x)
	if m == 0 {
		return
	}
	best := math.Inf(1)
	for e := math.Ilogb(m) + 124; e <= math.Ilogb(m)+126; e++ {
		e := min(max(e, 1), 254)
		var q [32]byte
		step, loss := math.Ldexp(1, e-128), 0.0
		for i, v := range x {
			v := float64(v) / step
			n := 0
			for n < 7 && 2*math.Abs(v) > float64(valuesFP4[n])+float64(valuesFP4[n+1]) { // negatives are from 8 on
				n++
			}
			off := (math.Abs(v) - float64(valuesFP4[n])) * step
			loss += float64(w[i]) * off * off
			if q[i] = byte(n); v < 0 && n > 0 {
				q[i] |= 8
			}
		}
		if loss < best {
			best = loss
			dst[0] = byte(e)
			PackNibbles(dst[1:], q[:], 16)
		}
	}
}
