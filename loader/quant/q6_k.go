package quant

// decodeQ6_K decodes blocks of 256 elements in 210 bytes: 128 bytes ql (low
// nibbles), 64 bytes qh (high pairs of bits), 16 signed scales, d (half). Two
// halves of 128 elements; within one, element 32·k + j (k = 0…3, j = 0…31) has
// its low bits in ql[32·(k&1)+j] (the high nibble when k ≥ 2), its high bits in
// bits 2k of qh[j], and the scale of its group of 16.
//
//	y = d · scale · (q − 32)
func decodeQ6_K(dst []float32, src []byte) {
	for ; len(dst) >= 256; dst, src = dst[256:], src[210:] {
		d := half(src[208:])
		for h := range 2 {
			ql, qh, sc, y := src[64*h:][:64], src[128+32*h:][:32], src[192+8*h:][:8], dst[128*h:][:128]
			for j := range 32 {
				g, hb, lo, hi := j/16, qh[j], ql[j], ql[j+32]
				y[j] = d * float32(int8(sc[g])) * float32(int(lo&15|hb&3<<4)-32)
				y[j+32] = d * float32(int8(sc[g+2])) * float32(int(hi&15|hb>>2&3<<4)-32)
				y[j+64] = d * float32(int8(sc[g+4])) * float32(int(lo>>4|hb>>4&3<<4)-32)
				y[j+96] = d * float32(int8(sc[g+6])) * float32(int(hi>>4|hb>>6<<4)-32)
			}
		}
	}
}
