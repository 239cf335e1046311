package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// encoders has for each type the function that fills blocks, which are zero before. w are
// the weights of the elements' squared errors, or nil.
var encoders = map[Type]func(dst []byte, x, w []float32){
	F32:    encodeF32,
	F16:    encodeF16,
	BF16:   encodeBF16,
	Q8_0:   encodeQ8_0,
	Q4_0:   encodeQ4_0,
	Q4_1:   encodeQ4_1,
	Q5_0:   encodeQ5_0,
	Q5_1:   encodeQ5_1,
	Q2_K:   encodeQ2_K,
	Q3_K:   encodeQ3_K,
	Q4_K:   encodeQ4_K,
	Q5_K:   encodeQ5_K,
	Q6_K:   encodeQ6_K,
	IQ4_NL: encodeIQ4_NL,
	IQ4_XS: encodeIQ4_XS,
	MXFP4:  encodeMXFP4,
}

// CanEncode reports whether Encode works for the type.
func (t Type) CanEncode() bool { return encoders[t] != nil }

// Encodable lists the types that Encode accepts, by their numbers.
func Encodable() []Type {
	return slices.DeleteFunc(Decodable(), func(t Type) bool { return !t.CanEncode() })
}

// Encode writes x, whole blocks of finite elements, to dst as type t, so that
//
//	Σ w[i]·(x[i] − y[i])²      y: what Decode makes of dst
//
// is small: scales are found by search and least squares. w has an element for each
// of x, none below zero, or is nil, for all alike. A wrong length is a programmer's
// mistake and panics; values that a half cannot scale decode to infinities or NaN.
func Encode(t Type, dst []byte, x, w []float32) {
	ti := t.info()
	if !t.CanEncode() || len(x)%ti.block != 0 || len(dst) != len(x)/ti.block*ti.bytes || w != nil && len(w) != len(x) {
		panic(fmt.Sprintf("quant: Encode of %d elements with %d weights to %d bytes of %s", len(x), len(w), len(dst), t))
	}
	clear(dst)
	if len(x) > 0 {
		encoders[t](dst, x, w)
	}
}

// putHalf stores f as a half and returns what was stored.
func putHalf(dst []byte, f float32) float32 {
	h := FloatToHalf(f)
	binary.LittleEndian.PutUint16(dst, h)
	return HalfToFloat(h)
}

func encodeF32(dst []byte, x, _ []float32) {
	for i, v := range x {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

func encodeF16(dst []byte, x, _ []float32) {
	for i, v := range x {
		binary.LittleEndian.PutUint16(dst[2*i:], FloatToHalf(v))
	}
}

func encodeBF16(dst []byte, x, _ []float32) {
	for i, v := range x {
		b := math.Float32bits(v)
		b += 0x7fff + b>>16&1 // half a unit in the last place, to even
		binary.LittleEndian.PutUint16(dst[2*i:], uint16(b>>16))
	}
}
