package numerics

import "math"

// The functions here fill tables on the host, in float64. Their operations are
// rounded one at a time as well, because Go's math package may fuse on some
// processors and then differs in the last bit.

// Sincos returns the sine and cosine of an angle in radians.
func Sincos(x float64) (sin, cos float64) {
	x = math.Mod(x, 2*math.Pi) // exact
	n := math.RoundToEven(float64(x * (2 / math.Pi)))
	// π/2 in two parts, the first with so few bits that n times it is exact.
	const high, low = 1.57079632673412561417, 6.07710050650619224932e-11
	x = float64(x-float64(n*high)) - float64(n*low)
	z := float64(x * x)
	s, c := 1.0, 1.0
	for k := 20.0; k >= 2; k -= 2 { // Taylor, from the inside
		s = 1 - float64(float64(z*s)/float64(k*(k+1)))
		c = 1 - float64(float64(z*c)/float64(k*(k-1)))
	}
	s = float64(x * s)
	switch int(n) & 3 {
	case 1:
		return c, -s
	case 2:
		return -s, -c
	case 3:
		return -c, s
	}
	return s, c
}

// Log is the natural logarithm of x > 0, finite.
func Log(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	z := (m - 1) / (m + 1)
	q, r := float64(z*z), 0.0
	for k := 25.0; k >= 1; k -= 2 { // 2·artanh z, |z| < 0.172
		r = float64(r*q) + 1/k
	}
	const high, low = 6.93147180369123816490e-01, 1.90821492927058770002e-10 // ln 2
	return float64(float64(e)*high) + (float64(2*float64(z*r)) + float64(float64(e)*low))
}

// Exp is e^x for |x| < 700.
func Exp(x float64) float64 {
	n := math.RoundToEven(float64(x * math.Log2E))
	const high, low = 6.93147180369123816490e-01, 1.90821492927058770002e-10
	f := (x - float64(n*high)) - float64(n*low)
	r := 1.0
	for k := 18.0; k >= 1; k-- {
		r = 1 + float64(float64(f*r)/k)
	}
	return math.Ldexp(r, int(n))
}

// Pow is x^y for x > 0.
func Pow(x, y float64) float64 { return Exp(float64(y * Log(x))) }

// Turn returns the cosine and sine by which a rope turns a pair of frequency freq
// (radians a position) at a position, times the rope's scale, flushed.
func Turn(pos int32, freq float64, scale float32) (cos, sin float32) {
	s, c := Sincos(float64(float64(pos) * freq))
	return Flush(float32(c * float64(scale))), Flush(float32(s * float64(scale)))
}

// Inverse is 1/c, rounded once.
func Inverse(c float32) float32 { return float32(1 / float64(c)) }

// CapScale is the factor from q·k to a score by its cap.
func CapScale(scale, cap float32) float32 { return float32(float64(scale) / float64(cap)) }

// ScoreScale is the factor from q·k to a score in powers of two: scale·log₂e.
func ScoreScale(scale float32) float32 { return float32(float64(scale) * math.Log2E) }
