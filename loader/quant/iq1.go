package quant

import "encoding/binary"

// The types IQ1 take eight elements at a time, −1, 0 or 1, from a grid and move them all
// by an eighth up or down: eight times that are the integers.

// eighths reads eight elements from a place in the grid.
func (v *Ints) eighths(at, place int, down bool) {
	if down {
		v.eight(at, gridDown[place])
	} else {
		v.eight(at, gridUp[place])
	}
}

// intsIQ1_S reads a block of 256 elements in 50 bytes: d (half); for each eight elements
// eight bits of the place in the grid (32 bytes); 16 bits qh for each 32 elements: four
// times three more bits of the places, three of the scale s, and whether they move down.
//
//	y = d·(2s + 1) · (grid ± 1/8)
func intsIQ1_S(v *Ints, src []byte) {
	d := half(src)
	for g := range 8 {
		high := int(binary.LittleEndian.Uint16(src[34+2*g:]))
		v.scale(g, d*float32(2*(high>>12&7)+1)/8)
		for l := range 4 {
			v.eighths(32*g+8*l, int(src[2+4*g+l])|high>>(3*l)&7<<8, high>>15 == 1)
		}
	}
}

// intsIQ1_M reads a block of 256 elements in 56 bytes: for each eight elements eight bits
// of the place in the grid (32 bytes), then a nibble each (16 bytes): three more bits of
// the place, and whether they move down; four times 16 bits: four times three of a scale s
// for 16 elements, and a nibble of d (half), the lowest first.
//
//	y = d·(2s + 1) · (grid ± 1/8)
func intsIQ1_M(v *Ints, src []byte) {
	var bits uint16
	for i := range 4 {
		bits |= binary.LittleEndian.Uint16(src[48+2*i:]) >> 12 << (4 * i)
	}
	d := HalfToFloat(bits)
	for i := range 16 {
		s := binary.LittleEndian.Uint16(src[48+i/4*2:]) >> (i % 4 * 3) & 7
		v.D[i] = d * float32(2*s+1) / 8
	}
	v.Halves = true
	for i := range 32 {
		high := src[32+i/2] >> (i % 2 * 4) & 15
		v.eighths(8*i, int(src[i])|int(high&7)<<8, high>>3 == 1)
	}
}
