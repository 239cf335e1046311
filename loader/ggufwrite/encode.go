package ggufwrite

import (
	"encoding/binary"
	"fmt"
	"math"

	"eclat/loader/quant"
)

// Encode returns x as whole blocks of type t: F32, F16, BF16, Q8_0, Q4_0, Q4_K,
// Q5_K, Q6_K or IQ4_NL. It is for tests and not for quality: each value is rounded to
// the nearest step of a scale that spans its group, without the searches that
// real quantisers make. x must be finite and whole blocks, and a block's scale
// must fit in a half.
func Encode(t quant.Type, x []float32) []byte {
	block, size := t.Block()
	if block == 0 || len(x)%block != 0 {
		panic(fmt.Sprintf("ggufwrite: %d elements are not whole blocks of %s", len(x), t))
	}
	encode := encoders[t]
	if encode == nil {
		panic(fmt.Sprintf("ggufwrite: no encoder for %s", t))
	}
	out := make([]byte, len(x)/block*size)
	for i := range len(x) / block {
		encode(out[i*size:][:size], x[i*block:][:block])
	}
	return out
}

// CanEncode reports whether Encode knows the type.
func CanEncode(t quant.Type) bool { return encoders[t] != nil }

// encoders has for each type a function that fills one block, zero before.
var encoders = map[quant.Type]func(dst []byte, x []float32){
	quant.F32:    func(dst []byte, x []float32) { binary.LittleEndian.PutUint32(dst, math.Float32bits(x[0])) },
	quant.F16:    func(dst []byte, x []float32) { putHalf(dst, x[0]) },
	quant.BF16:   encodeBF16,
	quant.Q8_0:   encodeQ8_0,
	quant.Q4_0:   encodeQ4_0,
	quant.Q4_K:   encodeQ4_K,
	quant.Q5_K:   encodeQ5_K,
	quant.Q6_K:   encodeQ6_K,
	quant.IQ4_NL: encodeIQ4_NL,
}

// putHalf stores f as a half and returns what was stored.
func putHalf(dst []byte, f float32) float32 {
	h := quant.FloatToHalf(f)
	binary.LittleEndian.PutUint16(dst, h)
	return quant.HalfToFloat(h)
}

// putHalfUp is putHalf for f ≥ 0, rounded up, so that a scale spans all that it
// was computed from.
func putHalfUp(dst []byte, f float32) float32 {
	h := quant.FloatToHalf(f)
	if quant.HalfToFloat(h) < f {
		h++
	}
	binary.LittleEndian.PutUint16(dst, h)
	return quant.HalfToFloat(h)
}

// steps returns x/step rounded to the nearest integer and clamped to lo…hi.
func steps(x, step float32, lo, hi int) int {
	if step == 0 {
		return min(max(0, lo), hi)
	}
	return min(max(int(math.RoundToEven(float64(x)/float64(step))), lo), hi)
}

// absMax returns the value of x that is farthest from zero, with its sign.
func absMax(x []float32) float32 {
	var m float32
	for _, v := range x {
		if max(v, -v) > max(m, -m) {
			m = v
		}
	}
	return m
}

func encodeBF16(dst []byte, x []float32) {
	b := math.Float32bits(x[0])
	b += 0x7fff + b>>16&1 // half a unit in the last place, to even
	binary.LittleEndian.PutUint16(dst, uint16(b>>16))
}

func encodeQ8_0(dst []byte, x []float32) {
	m := absMax(x)
	d := putHalfUp(dst, max(m, -m)/127)
	for i, v := range x {
		dst[2+i] = byte(int8(steps(v, d, -127, 127)))
	}
}

// encodeQ4_0 gives the value farthest from zero the step −8, the only one of
// that size; its opposite, if there is one, loses a step.
func encodeQ4_0(dst []byte, x []float32) {
	d := putHalf(dst, -absMax(x)/8)
	var q [32]byte
	for i, v := range x {
		q[i] = byte(steps(v, d, -8, 7) + 8)
	}
	quant.PackNibbles(dst[2:], q[:], 16)
}

// valuesIQ4NL are the 16 values of IQ4_NL, rising: what a block with d = 1 decodes to
// that holds each nibble.
var valuesIQ4NL = func() (values [32]float32) {
	block := make([]byte, 18)
	putHalf(block, 1)
	for j := range 16 {
		block[2+j] = byte(j)
	}
	quant.Decode(quant.IQ4_NL, values[:], block)
	return values
}()

// encodeIQ4_NL gives the value farthest from zero −127, the farthest of the 16
// values, and each other the nearest of them.
func encodeIQ4_NL(dst []byte, x []float32) {
	d := putHalf(dst, -absMax(x)/127)
	var q [32]byte
	for i, v := range x {
		best := math.Inf(1)
		for j, y := range valuesIQ4NL[:16] {
			if off := math.Abs(float64(v) - float64(d*y)); off < best {
				q[i], best = byte(j), off
			}
		}
	}
	quant.PackNibbles(dst[2:], q[:], 16)
}
