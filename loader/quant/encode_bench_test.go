package quant

import "testing"

// BenchmarkEncode encodes on one processor; the rate is of the float32 that are read.
// testdata/oracle/encode_speed.py measures the ggml library's own routines likewise.
func BenchmarkEncode(b *testing.B) {
	x := encodeInput(1 << 16)
	for _, ty := range Encodable() {
		block, size := ty.Block()
		dst := make([]byte, len(x)/block*size)
		b.Run(ty.String(), func(b *testing.B) {
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				Encode(ty, dst, x, nil)
			}
		})
	}
}
