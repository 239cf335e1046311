package quant

// intsQ3_K reads a block of 256 elements in 110 bytes: 32 bytes hmask, 64 bytes qs, 12
// bytes of 6-bit scales, one for each 16 elements; d (half). Two halves of 128 elements;
// within half h, element 32·k + j (k = 0…3, j = 0…31) has its low bits in bits 2k and
// 2k + 1 of qs[j], and its high one in bit 4h + k of hmask[j].
//
//	y = d · (scale − 32) · (q + 4·bit − 4)
func intsQ3_K(v *Ints, src []byte) {
	d := half(src[108:])
	for i := range v.D {
		v.D[i] = d * float32(int(scale3K(i, src[96:108]))-32)
	}
	v.Halves = true
	for h := range 2 {
		for j, q := range src[32+32*h:][:32] {
			for k := range 4 {
				v.Q[128*h+32*k+j] = int8(q>>(2*k)&3|src[j]>>(4*h+k)&1<<2) - 4
			}
		}
	}
}

// scale3K is scale i (0…15) of the 12 bytes: its low four bits are in a nibble of byte
// i mod 8, its high two in bits 2·(i/4) of byte 8 + i mod 4.
func scale3K(i int, s []byte) uint8 {
	return s[i&7]>>(i>>3*4)&15 | s[8+i&3]>>(i>>2*2)&3<<4
}
