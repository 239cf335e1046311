package quant

// valuesIQ4NL are what the 16 nibbles of IQ4_NL stand for: steps that lie closer
// around zero, where most weights are.
var valuesIQ4NL = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// decodeIQ4_NL decodes blocks of 32 elements in 18 bytes: d (half), 16 bytes qs.
//
//	y[j]    = d · values[qs[j] & 15]
//	y[j+16] = d · values[qs[j] >> 4]      j = 0…15
func decodeIQ4_NL(dst []float32, src []byte) {
	var t [16]float32
	for ; len(dst) >= 32; dst, src = dst[32:], src[18:] {
		d := half(src)
		for q, v := range valuesIQ4NL {
			t[q] = d * float32(v)
		}
		lookup(dst, dst[16:], src[2:18], &t)
	}
}
