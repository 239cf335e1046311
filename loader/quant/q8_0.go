package quant

// decodeQ8_0 decodes blocks of 32 elements in 34 bytes: d (half), 32 signed bytes qs.
//
//	y[j] = d · qs[j]
func decodeQ8_0(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[34:] {
		d, qs, y := half(src), src[2:34], dst[:32]
		for j, q := range qs {
			y[j] = d * float32(int8(q))
		}
	}
}
