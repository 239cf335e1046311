package quantize

// Sums of squares in four chains, which a processor adds side by side: one addition after
// another takes longer than writing the simpler types. They are float64 and only shown, so
// their order is nobody's business.

// squares is Σ x².
func squares(x []float32) float64 {
	var a, b, c, d float64
	for ; len(x) >= 4; x = x[4:] {
		p, q, r, s := float64(x[0]), float64(x[1]), float64(x[2]), float64(x[3])
		a, b, c, d = a+p*p, b+q*q, c+r*r, d+s*s
	}
	for _, v := range x {
		a += float64(v) * float64(v)
	}
	return a + b + (c + d)
}

// apart is Σ (x − y)² of as many elements.
func apart(x, y []float32) float64 {
	var a, b, c, d float64
	for ; len(x) >= 4 && len(y) >= 4; x, y = x[4:], y[4:] {
		p, q := float64(x[0])-float64(y[0]), float64(x[1])-float64(y[1])
		r, s := float64(x[2])-float64(y[2]), float64(x[3])-float64(y[3])
		a, b, c, d = a+p*p, b+q*q, c+r*r, d+s*s
	}
	for i, v := range x {
		e := float64(v) - float64(y[i])
		a += e * e
	}
	return a + b + (c + d)
}
