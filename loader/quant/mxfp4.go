package quant

import "math"

// valuesFP4 are the 16 numbers of four bits, a sign, two of exponent and one of fraction
// (E2M1), doubled: 0, ½, 1, 1½, 2, 3, 4, 6 and their negatives.
var valuesFP4 = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// intsMXFP4 reads a block of 32 elements in 17 bytes: e, an exponent, and 16 bytes qs.
//
//	y[j]    = 2^(e−128) · values[qs[j] & 15]
//	y[j+16] = 2^(e−128) · values[qs[j] >> 4]      j = 0…15
//
// A scale below 2^-60 is read as 0: all that comes of it would be flushed (model/numerics),
// and no denormal number arises.
func intsMXFP4(v *Ints, src []byte) {
	var d float32
	if e := uint32(src[0]); e >= 128-60 {
		d = math.Float32frombits((e - 1) << 23)
	}
	v.scale(0, d)
	v.nibbles(0, src[1:17], &valuesFP4)
}
