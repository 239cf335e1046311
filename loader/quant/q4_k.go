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

// decodeQ4_K decodes blocks of 256 elements in 144 bytes: d, dmin (halves),
// 12 scale bytes, 128 bytes qs. Eight groups of 32; two groups share 32 bytes of
// qs, the even one in the low nibbles.
//
//	y = d·scale·q − dmin·min
//
// The products have at most 11 + 6 + 4 significant bits (Q5_K: 22 in all) and are
// exact; only the difference rounds, so a compiler that fuses it changes nothing.
func decodeQ4_K(dst []float32, src []byte) {
	for ; len(dst) >= 256; dst, src = dst[256:], src[144:] {
		d, dmin, scales := half(src), half(src[2:]), src[4:16]
		for g := 0; g < 8; g += 2 {
			s0, m0 := scaleMinK4(g, scales)
			s1, m1 := scaleMinK4(g+1, scales)
			d0, b0 := d*float32(s0), dmin*float32(m0)
			d1, b1 := d*float32(s1), dmin*float32(m1)
			qs, lo, hi := src[16+16*g:][:32], dst[32*g:][:32], dst[32*g+32:][:32]
			for j, q := range qs {
				lo[j] = d0*float32(q&15) - b0
				hi[j] = d1*float32(q>>4) - b1
			}
		}
	}
}
