package quant

import "encoding/binary"

// The types IQ2 take eight elements at a time from a grid; their signs are apart. A scale
// s of four bits stands for d·(2s + 1)/8.

// scaleIQ2 is d·(2s + 1)/8, exactly.
func scaleIQ2(d float32, s byte) float32 { return d * float32(2*(s&15)+1) / 8 }

// intsIQ2_XXS reads a block of 256 elements in 66 bytes: d (half), and eight bytes for
// each 32 elements: 4 places in the grid, of eight elements each, then 32 bits: four times
// seven of signs, and the scale.
func intsIQ2_XXS(v *Ints, src []byte) {
	d := half(src)
	for g := range 8 {
		src := src[2+8*g:][:8]
		more := binary.LittleEndian.Uint32(src[4:])
		v.scale(g, scaleIQ2(d, byte(more>>28)))
		for l := range 4 {
			v.signed(32*g+8*l, gridIQ2XXS[src[l]], signs7(more>>(7*l)))
		}
	}
}

// intsIQ2_XS reads a block of 256 elements in 74 bytes: d (half), 16 bits for each eight
// elements: nine for the place in the grid and seven of signs; eight bytes of scales, a
// nibble for each 16 elements.
func intsIQ2_XS(v *Ints, src []byte) {
	d := half(src)
	for i := range 16 {
		v.D[i] = scaleIQ2(d, src[66+i/2]>>(i%2*4))
	}
	v.Halves = true
	for i := range 32 {
		q := binary.LittleEndian.Uint16(src[2+2*i:])
		v.signed(8*i, gridIQ2XS[q&511], signs7(uint32(q>>9)))
	}
}

// intsIQ2_S reads a block of 256 elements in 82 bytes: d (half); for each eight elements
// eight bits of the place in the grid (32 bytes), then the signs (32 bytes); for each 32
// elements a byte qh with four times two more bits of the places; eight bytes of scales,
// a nibble for each 16 elements.
func intsIQ2_S(v *Ints, src []byte) {
	d := half(src)
	for i := range 16 {
		v.D[i] = scaleIQ2(d, src[74+i/2]>>(i%2*4))
	}
	v.Halves = true
	for i := range 32 {
		at := int(src[2+i]) | int(src[66+i/4]>>(i%4*2)&3)<<8
		v.signed(8*i, gridIQ2S[at], src[34+i])
	}
}
