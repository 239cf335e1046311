package quant

// intsQ2_K reads a block of 256 elements in 84 bytes: 16 bytes of scales (low nibbles)
// and minimums (high nibbles), one for each 16 elements; 64 bytes qs; d, dmin (halves).
// Two halves of 128 elements; within one, element 32·k + j (k = 0…3, j = 0…31) is bits 2k
// and 2k + 1 of qs[j].
//
//	y = d·scale·q − dmin·min
func intsQ2_K(v *Ints, src []byte) {
	d, dmin := half(src[80:]), half(src[82:])
	for i, s := range src[:16] {
		v.D[i], v.Min[i] = d*float32(s&15), dmin*float32(s>>4)
	}
	v.Halves, v.Mins = true, true
	for h := range 2 {
		for j, q := range src[16+32*h:][:32] {
			for k := range 4 {
				v.Q[128*h+32*k+j] = int8(q >> (2 * k) & 3)
			}
		}
	}
}
