package quant

// intsQ4_1 reads a block of 32 elements in 20 bytes: d, m (halves), 16 bytes qs.
//
//	y[j]    = d · (qs[j] & 15) + m
//	y[j+16] = d · (qs[j] >> 4) + m      j = 0…15
func intsQ4_1(v *Ints, src []byte) {
	v.scale(0, half(src))
	v.minimum(0, -half(src[2:]))
	for j, q := range src[4:20] {
		v.Q[j], v.Q[j+16] = int8(q&15), int8(q>>4)
	}
}
