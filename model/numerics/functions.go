package numerics

import "math"

// Exp2 is 2^x for −125 ≤ x ≤ 127: the nearest integer n goes to the exponent, a
// polynomial of degree 6 gives 2^(x−n), |x−n| ≤ 1/2. Below −125 it is 0, above 127 it
// is Exp2(127), of a NaN it is NaN. Relative error below 2.5e-7.
func Exp2(x float32) float32 {
	if x != x {
		return x
	}
	if x < -125 {
		return 0
	}
	x = min(x, 127)
	n := float32(math.Floor(float64(x + 0.5)))
	f := x - n
	r := float32(1.5403530e-4)
	r = float32(r*f) + 1.3333558e-3
	r = float32(r*f) + 9.6181291e-3
	r = float32(r*f) + 5.5504109e-2
	r = float32(r*f) + 2.4022651e-1
	r = float32(r*f) + 6.9314718e-1
	r = float32(r*f) + 1
	return math.Float32frombits(math.Float32bits(r) + uint32(int32(n))<<23)
}

// Recip is 1/x for 2^-101 ≤ x ≤ 2^101, within which no step is denormal: a first guess from the bits, then four Newton
// steps. Relative error below 1.5e-7.
func Recip(x float32) float32 {
	r := math.Float32frombits(0x7EF311C7 - math.Float32bits(x))
	for range 4 {
		t := 1 - float32(x*r)
		r = r + float32(r*t)
	}
	return r
}

// RSqrt is 1/√x for 2^-120 ≤ x < 2^127, like Recip. Relative error below 1.5e-7. An
// infinity gives no finite number.
func RSqrt(x float32) float32 {
	r := math.Float32frombits(0x5f3759df - math.Float32bits(x)>>1)
	h := float32(0.5 * x)
	for range 4 {
		t := 0.5 - float32(float32(h*r)*r)
		r = r + float32(r*t)
	}
	return r
}

// log2e is log₂ e.
const log2e = 1.44269504

// Sigmoid is 1/(1+e^-x); beyond ±60/log₂e it stays at its value there.
func Sigmoid(x float32) float32 {
	return Recip(1 + Exp2(clamp60(float32(x*-log2e))))
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) & 0x7fffffff) }

// clamp60 keeps x within ±60, and NaN.
func clamp60(x float32) float32 {
	if x < -60 {
		return -60
	}
	if x > 60 {
		return 60
	}
	return x
}

// SiLU is x·Sigmoid(x), flushed.
func SiLU(x float32) float32 { return Flush(float32(x * Sigmoid(x))) }

// Cap is c·Tanh(x/c), flushed, by being 1/c rounded once on the host ([Inverse]).
func Cap(x, c, by float32) float32 { return Flush(float32(Tanh(Flush(float32(x*by))) * c)) }

// ClampedGate is min(x, 7)·Sigmoid(1.702·min(x, 7)), flushed; of a NaN it is NaN.
func ClampedGate(x float32) float32 {
	if x > 7 {
		x = 7
	}
	return Flush(float32(x * Sigmoid(float32(x*1.702))))
}

// ClampedUp is x within ±7, plus 1, flushed; of a NaN it is NaN.
func ClampedUp(x float32) float32 {
	if x > 7 {
		x = 7
	}
	if x < -7 {
		x = -7
	}
	return Flush(x + 1)
}

// Tanh is 1 − 2/(1+e^2x), and within ±1/4 a polynomial of degree 9, which keeps its
// relative error there.
func Tanh(x float32) float32 {
	if x > -0.25 && x < 0.25 {
		z := float32(x * x)
		r := float32(z*2.1869488e-2) - 5.3968254e-2
		r = float32(r*z) + 1.3333333e-1
		r = float32(r*z) - 3.3333333e-1
		r = float32(r*z) + 1
		return float32(x * r)
	}
	r := Recip(1 + Exp2(clamp60(float32(x*(2*log2e)))))
	return 1 - float32(2*r)
}

// Softplus is ln(1+e^x) = max(x, 0) + ln(1+u), u = e^-|x|, the logarithm as
// 2·artanh(u/(2+u)) by its series to the 13th power.
func Softplus(x float32) float32 {
	if x != x {
		return x
	}
	u := Exp2(clamp60(float32(abs(x) * -log2e)))
	z := float32(u * Recip(2+u))
	q := float32(z * z)
	r := float32(q*7.6923077e-2) + 9.0909091e-2
	r = float32(r*q) + 1.1111111e-1
	r = float32(r*q) + 1.4285714e-1
	r = float32(r*q) + 2e-1
	r = float32(r*q) + 3.3333333e-1
	r = float32(r*q) + 1
	return max(x, 0) + float32(2*float32(z*r))
}

// ReLU2 is max(x, 0)², flushed; of a NaN it is NaN.
func ReLU2(x float32) float32 {
	if x <= 0 {
		return 0
	}
	return Flush(float32(x * x))
}

// GELU is x/2·(1 + tanh(u/2)) = x·Sigmoid(u), u = 2·√(2/π)·x·(1 + 0.044715·x²), flushed.
func GELU(x float32) float32 {
	z := float32(float32(x*x)*0.044715) + 1
	return Flush(float32(x * Sigmoid(float32(float32(x*1.5957691)*z))))
}

// Half rounds to the bits of the nearest IEEE 754 half, ties to even, within ±65504;
// NaN and the infinities become 0x7e00, which is NaN.
func Half(x float32) uint16 {
	b := math.Float32bits(x)
	sign, a := uint16(b>>16&0x8000), b&0x7fffffff
	switch {
	case a >= 0x7f800000:
		return 0x7e00
	case a >= 0x477fe000: // 65504
		return sign | 0x7bff
	case a < 0x33000000: // below half of the least, 2^-24
		return sign
	case a < 0x38800000: // denormal halves: multiples of 2^-24
		shift := 126 - a>>23 // of the 24 bits of the mantissa
		m := a&0x7fffff | 0x800000
		return sign | uint16(nearest(m, shift))
	}
	return sign | uint16(nearest(a-112<<23, 13))
}

// Single is what memory of float32 holds of x: x, and NaN for an infinity.
func Single(x float32) float32 {
	if math.Float32bits(x)&0x7fffffff == 0x7f800000 {
		return math.Float32frombits(0x7fc00000)
	}
	return x
}

// nearest is m/2^shift to the nearest integer, ties to even.
func nearest(m, shift uint32) uint32 {
	return (m + 1<<(shift-1) - 1 + m>>shift&1) >> shift
}

// Rotate turns the pair (a, b) by an angle whose cosine and sine are given.
func Rotate(a, b, cos, sin float32) (x, y float32) {
	return Flush(float32(a*cos) - float32(b*sin)), Flush(float32(a*sin) + float32(b*cos))
}
