package quant

import "encoding/binary"

// intsIQ4_XS reads a block of 256 elements in 136 bytes: d (half), 16 bits scales_h, 4
// bytes scales_l, 128 bytes qs. Eight groups of 32 elements, each of 16 bytes as in
// IQ4_NL; the scale of group g has its low bits in nibble g of scales_l, its high ones in
// bits 2g of scales_h.
//
//	y[j]    = d · (scale − 32) · values[qs[j] & 15]
//	y[j+16] = d · (scale − 32) · values[qs[j] >> 4]      j = 0…15
func intsIQ4_XS(v *Ints, src []byte) {
	d, high, low := half(src), binary.LittleEndian.Uint16(src[2:]), binary.LittleEndian.Uint32(src[4:])
	for g := range 8 {
		v.scale(g, d*float32(int(low>>(4*g)&15|uint32(high)>>(2*g)&3<<4)-32))
		v.nibbles(32*g, src[8+16*g:][:16], &valuesIQ4NL)
	}
}

// nibbles reads what the nibbles of 16 bytes stand for, elements at … at+31: the low ones
// first.
func (v *Ints) nibbles(at int, qs []byte, values *[16]int8) {
	for j, q := range qs {
		v.Q[at+j], v.Q[at+len(qs)+j] = values[q&15], values[q>>4]
	}
}
