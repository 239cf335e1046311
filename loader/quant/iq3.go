package quant

import "encoding/binary"

// The types IQ3 take four elements at a time from a grid; their signs are apart.

// intsIQ3_XXS reads a block of 256 elements in 98 bytes: d (half); 64 places in the grid;
// 32 bits for each 32 elements: four times seven of signs, and the scale s.
//
//	y = d·(2s + 1)/4 · grid
func intsIQ3_XXS(v *Ints, src []byte) {
	d := half(src)
	for g := range 8 {
		more := binary.LittleEndian.Uint32(src[66+4*g:])
		v.scale(g, d*float32(2*(more>>28)+1)/4)
		for l := range 4 {
			at := src[2+8*g+2*l:][:2]
			v.signed(32*g+8*l, gridIQ3XXS[at[0]]|gridIQ3XXS[at[1]]<<32, signs7(more>>(7*l)))
		}
	}
}

// intsIQ3_S reads a block of 256 elements in 110 bytes: d (half); for each four elements
// eight bits of the place in the grid (64 bytes); for each 32 a byte qh with a ninth bit of
// each of the places; for each eight a byte of signs (32 bytes); four bytes of scales s, a
// nibble for each 32 elements.
//
//	y = d·(2s + 1) · grid
func intsIQ3_S(v *Ints, src []byte) {
	d := half(src)
	for g := range 8 {
		v.scale(g, d*float32(2*(src[106+g/2]>>(g%2*4)&15)+1))
		for l := range 4 {
			at, ninth := src[2+8*g+2*l:][:2], int(src[66+g])>>(2*l)
			lo, hi := gridIQ3S[int(at[0])|ninth&1<<8], gridIQ3S[int(at[1])|ninth>>1&1<<8]
			v.signed(32*g+8*l, lo|hi<<32, src[74+4*g+l])
		}
	}
}
