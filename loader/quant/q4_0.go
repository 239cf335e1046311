package quant

// intsQ4_0 reads a block of 32 elements in 18 bytes: d (half), 16 bytes qs.
//
//	y[j]    = d · ((qs[j] & 15) − 8)
//	y[j+16] = d · ((qs[j] >> 4) − 8)      j = 0…15
func intsQ4_0(v *Ints, src []byte) {
	v.scale(0, half(src))
	for j, q := range src[2:18] {
		v.Q[j], v.Q[j+16] = int8(q&15)-8, int8(q>>4)-8
	}
}
