package quant

// decodeQ4_0 decodes blocks of 32 elements in 18 bytes: d (half), 16 bytes qs.
//
//	y[j]    = d · ((qs[j] & 15) − 8)
//	y[j+16] = d · ((qs[j] >> 4) − 8)      j = 0…15
func decodeQ4_0(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[18:] {
		d, qs, y := half(src), src[2:18], dst[:32]
		for j, q := range qs {
			y[j] = d * float32(int(q&15)-8)
			y[j+16] = d * float32(int(q>>4)-8)
		}
	}
}
