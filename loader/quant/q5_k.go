package quant

// decodeQ5_K decodes blocks of 256 elements in 176 bytes: d, dmin (halves),
// 12 scale bytes, 32 bytes qh, 128 bytes qs. As Q4_K, with the fifth bit of
// element j of group g in bit g of qh[j].
//
//	y = d·scale·(q + 16·bit) − dmin·min
func decodeQ5_K(dst []float32, src []byte) {
	for ; len(dst) >= 256; dst, src = dst[256:], src[176:] {
		d, dmin, scales, qh := half(src), half(src[2:]), src[4:16], src[16:48]
		for g := 0; g < 8; g += 2 {
			s0, m0 := scaleMinK4(g, scales)
			s1, m1 := scaleMinK4(g+1, scales)
			d0, b0 := d*float32(s0), dmin*float32(m0)
			d1, b1 := d*float32(s1), dmin*float32(m1)
			qs, lo, hi := src[48+16*g:][:32], dst[32*g:][:32], dst[32*g+32:][:32]
			for j, q := range qs {
				h := qh[j] >> g
				lo[j] = d0*float32(q&15|h&1<<4) - b0
				hi[j] = d1*float32(q>>4|h>>1&1<<4) - b1
			}
		}
	}
}
