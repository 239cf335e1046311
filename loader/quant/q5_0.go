package quant

import "encoding/binary"

// intsQ5_0 reads a block of 32 elements in 22 bytes: d (half), 32 bits qh, 16 bytes qs.
//
//	y[j]    = d · ((qs[j] & 15 | qh[j]    << 4) − 16)
//	y[j+16] = d · ((qs[j] >> 4 | qh[j+16] << 4) − 16)      j = 0…15
func intsQ5_0(v *Ints, src []byte) {
	v.scale(0, half(src))
	v.fives(src[2:22], 16)
}

// fives reads 32 integers of five bits, the fifth ones before 16 bytes of nibbles, and
// subtracts offset.
func (v *Ints) fives(src []byte, offset int8) {
	high := binary.LittleEndian.Uint32(src)
	for j, q := range src[4:20] {
		v.Q[j] = int8(q&15|byte(high>>j&1)<<4) - offset
		v.Q[j+16] = int8(q>>4|byte(high>>(j+16)&1)<<4) - offset
	}
}
