package quant

// PackNibbles packs the elements of q, of which it takes the low four bits, as all
// types with nibbles have them: in runs of 2·half elements, the first half of a run
// in the low nibbles of half bytes and the second in the high ones.
func PackNibbles(qs, q []byte, half int) {
	for i := 0; i < len(q); i += 2 * half {
		for j := range half {
			qs[i/2+j] = q[i+j]&15 | q[i+half+j]<<4
		}
	}
}
