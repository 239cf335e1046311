package quant

// intsTQ2_0 reads a block of 256 elements in 66 bytes: 64 bytes qs, d (half). Two halves
// of 128 elements; within one, element 32·k + j (k = 0…3, j = 0…31) is bits 2k and 2k + 1
// of qs[j].
//
//	y = d · (q − 1)
func intsTQ2_0(v *Ints, src []byte) {
	d := half(src[64:])
	for g := range 8 {
		v.scale(g, d)
	}
	for h := range 2 {
		for j, q := range src[32*h:][:32] {
			for k := range 4 {
				v.Q[128*h+32*k+j] = int8(q>>(2*k)&3) - 1
			}
		}
	}
}
