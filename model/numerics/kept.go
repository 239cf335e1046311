package numerics

import (
	"math"

	"eclat/loader/quant"
)

// Keeping is how memory of integers rounds a block of BlockLen elements x to integers q
// and one half d, x ≈ q·d. With a the block's largest |x|, and h the least half of which
// Steps·h ≥ a, or 65504 where there is none:
//
//	Keep8   Steps = 127   d = h                                    q from −127 to 127
//	Keep4   Steps = 8     d = −h where a is an element, else h     q from −8 to 7
//
// q is x·r to the nearest integer, ties to even, and no further than its range, where r =
// Recip(h) with the sign of d; where h is 0, so is q. Keep4 has a step more on one side:
// the largest element lies there. A NaN or an infinity makes d NaN and each q zero.
type Keeping struct {
	Steps     float32
	PerStep   float32 // 1/Steps, rounded once
	Low, High float32 // of q
}

// The two ways, of Q8_0 and of Q4_0.
var (
	Keep8 = Keeping{127, 1 / 127.0, -127, 127}
	Keep4 = Keeping{8, 1 / 8.0, -8, 7}
)

// Block rounds the first BlockLen elements of x to q, and returns the bits of d.
func (k *Keeping) Block(q *[BlockLen]int8, x []float32) (d uint16) {
	*q = [BlockLen]int8{}
	var high, low float32 // the largest element or 0, the least or 0
	for _, v := range x[:BlockLen] {
		if math.Float32bits(v)&0x7fffffff >= 0x7f800000 {
			return 0x7e00
		}
		high, low = max(high, v), min(low, v)
	}
	a := max(high, -low)
	if a == 0 {
		return 0
	}
	d = Half(float32(a * k.PerStep)) // or the half below what is meant
	if d < 0x7bff && float32(k.Steps*quant.HalfToFloat(d)) < a {
		d++
	}
	r := Recip(quant.HalfToFloat(d))
	if k.Low+k.High < 0 && high == a {
		r, d = -r, d|0x8000
	}
	for i, v := range x[:BlockLen] {
		q[i] = int8(math.RoundToEven(float64(min(max(float32(v*r), k.Low), k.High))))
	}
	return d
}

// Kept is what memory of integers holds of an element: q·d, exact.
func Kept(q int8, d uint16) float32 { return float32(float32(q) * quant.HalfToFloat(d)) }
