package quant

// intsQ5_K reads a block of 256 elements in 176 bytes: d, dmin (halves),
// 12 scale bytes, 32 bytes qh, 128 bytes qs. As Q4_K, with the fifth bit of
// element j of group g in bit g of qh[j].
//
//	y = d·scale·(q + 16·bit) − dmin·min
func intsQ5_K(v *Ints, src []byte) {
	v.groupsK(src)
	qh := src[16:48]
	for g := 0; g < 8; g += 2 {
		lo, hi := v.Q[32*g:][:32], v.Q[32*g+32:][:32]
		for j, q := range src[48+16*g:][:32] {
			h := qh[j] >> g
			lo[j], hi[j] = int8(q&15|h&1<<4), int8(q>>4|h>>1&1<<4)
		}
	}
}
