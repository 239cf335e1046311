package ggufwrite

import (
	"math"

	"eclat/loader/quant"
)

// encodeQ4_K fills d, dmin, 12 scale bytes and 128 bytes of nibbles.
func encodeQ4_K(dst []byte, x []float32) {
	q := encodeScaleMin(dst, x, 15)
	quant.PackNibbles(dst[16:], q[:], 32)
}

// encodeQ5_K is encodeQ4_K with the fifth bits in 32 bytes before the nibbles.
func encodeQ5_K(dst []byte, x []float32) {
	q := encodeScaleMin(dst, x, 31)
	for i, q := range q {
		dst[16+i%32] |= q >> 4 << (i / 32)
	}
	quant.PackNibbles(dst[48:], q[:], 32)
}

// encodeScaleMin writes the 16 bytes with which Q4_K and Q5_K begin (d, dmin,
// eight 6-bit scales and minimums) and returns the 256 steps, 0…top.
// Minimums, and then scales, are rounded up, so that every value of a group
// lies between its first and its last step.
func encodeScaleMin(dst []byte, x []float32, top int) (q [256]byte) {
	var lows, spans [8]float32
	for g := range 8 {
		for _, v := range x[32*g:][:32] {
			lows[g] = max(lows[g], -v)
		}
	}
	dmin := putHalfUp(dst[2:], listMax(lows[:])/63)
	var mins, scales [8]byte
	for g := range 8 {
		mins[g] = ceilSteps(lows[g], dmin, 63)
		for _, v := range x[32*g:][:32] {
			spans[g] = max(spans[g], v+dmin*float32(mins[g]))
		}
	}
	d := putHalfUp(dst, listMax(spans[:])/float32(63*top))
	for g := range 8 {
		scales[g] = ceilSteps(spans[g]/float32(top), d, 63)
		for i, v := range x[32*g:][:32] {
			q[32*g+i] = byte(steps(v+dmin*float32(mins[g]), d*float32(scales[g]), 0, top))
		}
	}
	s := dst[4:16]
	for g := range 4 {
		s[g] = scales[g] | scales[g+4]>>4<<6
		s[g+4] = mins[g] | mins[g+4]>>4<<6
		s[g+8] = scales[g+4]&15 | mins[g+4]<<4
	}
	return q
}

// encodeQ6_K fills 128 bytes of low nibbles, 64 of high pairs of bits, 16 scales
// and d. Of the steps −32…31 it leaves out −32, so that both signs reach equally far.
func encodeQ6_K(dst []byte, x []float32) {
	var spans [16]float32
	for g := range spans {
		m := absMax(x[16*g:][:16])
		spans[g] = max(m, -m)
	}
	d := putHalfUp(dst[208:], listMax(spans[:])/(127*31))
	for g := range spans {
		dst[192+g] = ceilSteps(spans[g]/31, d, 127)
	}
	var q [256]byte
	for i, v := range x {
		q[i] = byte(steps(v, d*float32(dst[192+i/16]), -31, 31) + 32)
		dst[128+i/128*32+i%32] |= q[i] >> 4 << (i / 32 % 4 * 2)
	}
	quant.PackNibbles(dst, q[:], 64)
}

// ceilSteps returns x/step rounded up, at most top.
func ceilSteps(x, step, top float32) byte {
	if step == 0 {
		return 0
	}
	return byte(min(float64(top), math.Ceil(float64(x)/float64(step))))
}

func listMax(x []float32) float32 {
	var m float32
	for _, v := range x {
		m = max(m, v)
	}
	return m
}
