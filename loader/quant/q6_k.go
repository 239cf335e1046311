package quant

// intsQ6_K reads a block of 256 elements in 210 bytes: 128 bytes ql (low
// nibbles), 64 bytes qh (high pairs of bits), 16 signed scales, d (half). Two
// halves of 128 elements; within one, element 32·k + j (k = 0…3, j = 0…31) has
// its low bits in ql[32·(k&1)+j] (the high nibble when k ≥ 2), its high bits in
// bits 2k of qh[j], and the scale of its group of 16.
//
//	y = d · scale · (q − 32)
func intsQ6_K(v *Ints, src []byte) {
	d := half(src[208:])
	for i, s := range src[192:208] {
		v.D[i] = d * float32(int8(s))
	}
	v.Halves = true
	for h := range 2 {
		ql, qh, q := src[64*h:][:64], src[128+32*h:][:32], v.Q[128*h:][:128]
		for j := range 32 {
			hb, lo, hi := qh[j], ql[j], ql[j+32]
			q[j] = int8(lo&15|hb&3<<4) - 32
			q[j+32] = int8(hi&15|hb>>2&3<<4) - 32
			q[j+64] = int8(lo>>4|hb>>4&3<<4) - 32
			q[j+96] = int8(hi>>4|hb>>6<<4) - 32
		}
	}
}
