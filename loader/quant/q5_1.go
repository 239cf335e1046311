package quant

// intsQ5_1 reads a block of 32 elements in 24 bytes: d, m (halves), 32 bits qh, 16 bytes
// qs.
//
//	y[j]    = d · (qs[j] & 15 | qh[j]    << 4) + m
//	y[j+16] = d · (qs[j] >> 4 | qh[j+16] << 4) + m      j = 0…15
func intsQ5_1(v *Ints, src []byte) {
	v.scale(0, half(src))
	v.minimum(0, -half(src[2:]))
	v.fives(src[4:24], 0)
}
