package quant

// valuesIQ4NL are what the 16 nibbles of IQ4_NL stand for: steps that lie closer
// around zero, where most weights are.
var valuesIQ4NL = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// intsIQ4_NL reads a block of 32 elements in 18 bytes: d (half), 16 bytes qs.
//
//	y[j]    = d · values[qs[j] & 15]
//	y[j+16] = d · values[qs[j] >> 4]      j = 0…15
func intsIQ4_NL(v *Ints, src []byte) {
	v.scale(0, half(src))
	v.nibbles(0, src[2:18], &valuesIQ4NL)
}
