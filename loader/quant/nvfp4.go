package quant

import "math"

// intsNVFP4 reads a block of 64 elements in 36 bytes: 4 scales, one for each 16 elements,
// and for each of them 8 bytes qs.
//
//	y[j]   = scale · values[qs[j] & 15]
//	y[j+8] = scale · values[qs[j] >> 4]      j = 0…7
func intsNVFP4(v *Ints, src []byte) {
	for i := range 4 {
		v.D[i] = halfFP8(src[i])
		v.nibbles(16*i, src[4+8*i:][:8], &valuesFP4)
	}
	v.Halves = true
}

// halfFP8 is half of a number of eight bits without a sign, four of exponent and three of
// fraction (E4M3, bias 7), for valuesFP4 are doubled. The first bit is not looked at; the
// NaN, 0x7f, counts as 0.
func halfFP8(x byte) float32 {
	exp, frac := int(x>>3&15), float32(x&7)
	switch {
	case x == 0x7f:
		return 0
	case exp == 0:
		return frac * 0x1p-10
	}
	return (8 + frac) * math.Float32frombits(uint32(127+exp-11)<<23)
}
