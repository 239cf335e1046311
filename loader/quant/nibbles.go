package quant

import "encoding/binary"

// PackNibbles packs the elements of q, of which it takes the low four bits, as all
// types with nibbles have them: in runs of 2·half elements, the first half of a run
// in the low nibbles of half bytes and the second in the high ones.
func PackNibbles(qs, q []byte, half int) {
	for i := 0; i < len(q); i += 2 * half {
		j := 0
		for ; j+8 <= half; j += 8 {
			low, high := binary.LittleEndian.Uint64(q[i+j:]), binary.LittleEndian.Uint64(q[i+half+j:])
			binary.LittleEndian.PutUint64(qs[i/2+j:], low&nibblesOf8|high&nibblesOf8<<4)
		}
		for ; j < half; j++ {
			qs[i/2+j] = q[i+j]&15 | q[i+half+j]<<4
		}
	}
}

const nibblesOf8 = 0x0f0f0f0f0f0f0f0f

// placeBits takes mask of each element of q after a shift to the right, and adds it to each
// byte of dst, a multiple of 8, after one to the left.
func placeBits(dst, q []byte, right int, mask uint64, left int) {
	mask *= 0x0101010101010101
	for i := 0; i < len(dst); i += 8 {
		bits := binary.LittleEndian.Uint64(q[i:]) >> right & mask << left
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(dst[i:])|bits)
	}
}
