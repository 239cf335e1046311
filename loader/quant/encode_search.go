package quant

import "math"

// nearest returns x/step rounded to an integer within lo…hi; 0, if it lies there, for
// a step of zero.
func nearest(x, step float32, lo, hi int) int {
	if step == 0 {
		return min(max(0, lo), hi)
	}
	return int(min(max(math.RoundToEven(float64(x)/float64(step)), float64(lo)), float64(hi)))
}

// farthest returns the value of x that is farthest from zero, with its sign.
func farthest(x []float32) (m float64) {
	for _, v := range x {
		if math.Abs(float64(v)) > math.Abs(m) {
			m = float64(v)
		}
	}
	return m
}

// fitScale returns the step s for which Σ w·(x − s·q)², q the level nearest to x/s, is
// least among those tried: the value farthest from zero goes to about the level
// first, tenths of spread apart, and each choice of levels gives its best step,
//
//	s = Σ w·x·q / Σ w·q²
func fitScale(x, w []float32, first, spread float64, level func(float64) float64) float32 {
	m := farthest(x)
	if m == 0 {
		return 0
	}
	var best, step float64
	for k := -10; k <= 10; k++ {
		inverse := (first + float64(k)/10*spread) / m
		var xq, qq float64
		for i, v := range x {
			q := level(inverse * float64(v))
			xq += float64(w[i]) * float64(v) * q
			qq += float64(w[i]) * q * q
		}
		if qq > 0 && xq*xq > best*qq { // what the levels take off Σ w·x²
			best, step = xq*xq/qq, xq/qq
		}
	}
	return float32(step)
}

// integers is the level of types whose levels are lo…hi.
func integers(lo, hi float64) func(float64) float64 {
	return func(v float64) float64 { return min(max(math.RoundToEven(v), lo), hi) }
}

// fitRange returns the step s and the lowest level m for which Σ w·(x − s·q − m)², q in
// 0…top, is least among those tried: the range is cut into top−1 to top+1 steps, and
// each choice of levels gives its best s and m by least squares. With below, m ≤ 0.
func fitRange(x, w []float32, top int, below bool) (s, m float32) {
	lo, hi := float64(x[0]), float64(x[0])
	for _, v := range x {
		lo, hi = min(lo, float64(v)), max(hi, float64(v))
	}
	if below {
		lo = min(lo, 0)
	}
	if hi <= lo {
		return 0, float32(lo)
	}
	best := math.Inf(1)
	for k := range 21 {
		inverse := (float64(top) - 1 + float64(k)/10) / (hi - lo)
		var sw, sx, sq, qq, xq, xx float64
		for i, v := range x {
			w, v := float64(w[i]), float64(v)
			q := min(max(math.RoundToEven(inverse*(v-lo)), 0), float64(top))
			sw, sx, sq = sw+w, sx+w*v, sq+w*q
			qq, xq, xx = qq+w*q*q, xq+w*v*q, xx+w*v*v
		}
		det := sw*qq - sq*sq
		if det <= 0 {
			continue
		}
		a, b := (sw*xq-sx*sq)/det, (qq*sx-sq*xq)/det
		if below && b > 0 {
			a, b = xq/qq, 0
		}
		if a <= 0 {
			continue
		}
		if loss := xx - 2*a*xq - 2*b*sx + a*a*qq + 2*a*b*sq + b*b*sw; loss < best {
			best, s, m = loss, float32(a), float32(b)
		}
	}
	if math.IsInf(best, 1) { // the weights leave nothing to fit
		return float32((hi - lo) / float64(top)), float32(lo)
	}
	return s, m
}
