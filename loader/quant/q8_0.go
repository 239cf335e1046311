package quant

// intsQ8_0 reads a block of 32 elements in 34 bytes: d (half), 32 signed bytes qs.
//
//	y[j] = d · qs[j]
func intsQ8_0(v *Ints, src []byte) {
	v.scale(0, half(src))
	for j, q := range src[2:34] {
		v.Q[j] = int8(q)
	}
}
