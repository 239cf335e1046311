package quant

import "math"

// NotFinite finds the first block of src, whole blocks of type t, that holds a NaN or
// an infinity: its number from 0, what of it is none, for people, and its value; −1
// where there is no such block. t.CanDecode() must hold.
//
// Of integers the products d·sc and dmin·mn are looked at: where d is an infinity and
// sc zero, a product is NaN. Only a scale of MXFP4 can be so large that d·sc is a number
// and an element none.
func NotFinite(t Type, src []byte) (block int, what string, value float32) {
	ti := t.info()
	if ti.ints == nil {
		var buf [256]float32
		for at := 0; len(src) > 0; at += len(buf) {
			x := buf[:min(len(buf), len(src)/ti.bytes)]
			Decode(t, x, src[:len(x)*ti.bytes])
			for i, y := range x {
				if !finite(y) {
					return at + i, "element", y
				}
			}
			src = src[len(x)*ti.bytes:]
		}
		return -1, "", 0
	}
	v := blocks.Get().(*Ints)
	defer blocks.Put(v)
	for i := 0; len(src) > 0; i, src = i+1, src[ti.bytes:] {
		Unpack(t, v, src[:ti.bytes])
		for g, d := range v.D[:(ti.block+15)/16] {
			if !finite(d) {
				return i, "scale", d
			}
			if d < 0x1p120 {
				continue
			}
			for _, q := range v.Q[16*g:][:16] {
				if y := d * float32(q); !finite(y) {
					return i, "element", y
				}
			}
		}
		for _, m := range v.Min[:(ti.block+15)/16] {
			if v.Mins && !finite(m) {
				return i, "minimum", m
			}
		}
	}
	return -1, "", 0
}

// finite reports whether x is neither NaN nor an infinity.
func finite(x float32) bool { return math.Float32bits(x)>>23&0xff != 0xff }
