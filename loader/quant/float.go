package quant

import (
	"encoding/binary"
	"math"
)

// halfTable maps the bits of every IEEE 754 half to its float32 (256 KiB).
var halfTable = func() *[1 << 16]float32 {
	t := new([1 << 16]float32)
	for i := range t {
		t[i] = halfBits(uint16(i))
	}
	return t
}()

// halfBits converts a half by its definition: sign 1, exponent 5 (bias 15), fraction 10.
func halfBits(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp, frac := uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0: // zero or subnormal: frac · 2^-24
		f := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31: // infinity or NaN
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// HalfToFloat converts the bits of an IEEE 754 half to float32, exactly.
func HalfToFloat(h uint16) float32 { return halfTable[h] }

// FloatToHalf rounds f to the nearest IEEE 754 half, ties to even. Values beyond
// the largest half (65504) become infinity, NaN stays NaN.
func FloatToHalf(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN
		return sign | 0x7e00
	case b >= 0x477ff000: // rounds to 65536 or more
		return sign | 0x7c00
	case b < 0x38800000: // below 2^-14: subnormal; adding 0.5 lets the FPU round to steps of 2^-24
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
	b += 0xfff + b>>13&1 // half a unit in the last place, to even
	return sign | uint16((b-(112<<23))>>13)
}

func half(src []byte) float32 { return halfTable[binary.LittleEndian.Uint16(src)] }

func floatsF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func floatsF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = half(src[2*i:])
	}
}

func floatsBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
	}
}
