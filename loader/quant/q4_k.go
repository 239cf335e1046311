package quant

// scaleMinK4 unpacks the 6-bit scale and minimum of group j (0…7) from the 12
// scale bytes that Q4_K and Q5_K share. Groups 0–3 keep them in the low six bits
// of bytes j and j+4; groups 4–7 in a nibble of byte j+4 and the top two bits of
// bytes j−4 and j.
func scaleMinK4(j int, s []byte) (scale, min uint8) {
	if j < 4 {
		return s[j] & 63, s[j+4] & 63
	}
	return s[j+4]&15 | s[j-4]>>6<<4, s[j+4]>>4 | s[j]>>6<<4
}

// groupsK reads the d, dmin (halves) and 12 scale bytes with which Q4_K and Q5_K begin.
func (v *Ints) groupsK(src []byte) {
	d, dmin := half(src), half(src[2:])
	for g := range 8 {
		s, m := scaleMinK4(g, src[4:16])
		v.scale(g, d*float32(s))
		v.minimum(g, dmin*float32(m))
	}
}

// intsQ4_K reads a block of 256 elements in 144 bytes: d, dmin (halves),
// 12 scale bytes, 128 bytes qs. Eight groups of 32; two groups share 32 bytes of
// qs, the even one in the low nibbles.
//
//	y = d·scale·q − dmin·min
func intsQ4_K(v *Ints, src []byte) {
	v.groupsK(src)
	for g := 0; g < 8; g += 2 {
		lo, hi := v.Q[32*g:][:32], v.Q[32*g+32:][:32]
		for j, q := range src[16+16*g:][:32] {
			lo[j], hi[j] = int8(q&15), int8(q>>4)
		}
	}
}
