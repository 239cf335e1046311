package quant

// intsQ1_0 reads a block of 128 elements in 18 bytes: d (half), 128 bits qs.
//
//	y[j] = d where bit j is set, else −d
func intsQ1_0(v *Ints, src []byte) {
	d := half(src)
	for g := range 4 {
		v.scale(g, d)
	}
	for j := range 128 {
		v.Q[j] = int8(src[2+j/8]>>(j%8)&1)*2 - 1
	}
}
