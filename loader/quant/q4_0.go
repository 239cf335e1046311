package quant

// decodeQ4_0 decodes blocks of 32 elements in 18 bytes: d (half), 16 bytes qs.
//
//	y[j]    = d · ((qs[j] & 15) − 8)
//	y[j+16] = d · ((qs[j] >> 4) − 8)      j = 0…15
func decodeQ4_0(dst []float32, src []byte) {
	var t [16]float32
	for ; len(dst) >= 32; dst, src = dst[32:], src[18:] {
		d := half(src)
		for q := range t {
			t[q] = d * float32(q-8)
		}
		lookup(dst, dst[16:], src[2:18], &t)
	}
}
