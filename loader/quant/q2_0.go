package quant

// intsQ2_0 reads a block of 64 elements in 18 bytes: d (half), 16 bytes qs of four
// elements each.
//
//	y[j] = d · (q − 1), q bits 2·(j mod 4) and the next of qs[j/4]
func intsQ2_0(v *Ints, src []byte) {
	d := half(src)
	v.scale(0, d)
	v.scale(1, d)
	for j := range 64 {
		v.Q[j] = int8(src[2+j/4]>>(j%4*2)&3) - 1
	}
}
