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

// smallest is what no half's step comes near: values below it are as good as zeros.
const smallest = 0x1p-60

// fitWhole is fitScale for levels that are the whole numbers lo…hi.
func fitWhole(x, w []float32, first, spread float64, lo, hi float32) float32 {
	least, most := bounds(x)
	m := float64(most)
	if -least > most {
		m = float64(least)
	}
	if math.Abs(m) < smallest {
		return 0
	}
	var inverse each
	for t := range inverse {
		inverse[t] = float32((first + spread*(float64(t)-(tries-1)/2.)/((tries-1)/2.)) / m)
	}
	var s levelSums
	s.add(x, w, 0, &inverse, lo, hi)
	var best, step float64
	for t := range tries {
		xq, qq := float64(s.yq[t]), float64(s.qq[t])
		if qq > 0 && xq*xq > best*qq { // what the levels take off Σ w·x²
			best, step = xq*xq/qq, xq/qq
		}
	}
	return float32(step)
}

// fitRange returns the step s and the lowest level m for which Σ w·(x − s·q − m)², q in
// 0…top, is least among those tried: the range is cut into top−1 to top+1 steps, and
// each choice of levels gives its best s and m by least squares. With below, m ≤ 0.
func fitRange(x, w []float32, top int, below bool) (s, m float32) {
	lo, hi := bounds(x)
	if below {
		lo = min(lo, 0)
	}
	width := float64(hi) - float64(lo)
	if width < smallest {
		return 0, lo
	}
	var inverse each
	for t := range inverse {
		inverse[t] = float32((float64(top) - 1 + 2*float64(t)/(tries-1)) / width)
	}
	var l levelSums
	l.add(x, w, lo, &inverse, 0, float32(top))
	low := float64(lo)
	var sw, sy, yy float64 // of y = x − lo
	for i, v := range x {
		w, y := float64(w[i]), float64(v-lo)
		sw, sy, yy = sw+w, sy+w*y, yy+w*y*y
	}
	best := math.Inf(1)
	for t := range tries {
		sq, qq, yq := float64(l.q[t]), float64(l.qq[t]), float64(l.yq[t])
		det := sw*qq - sq*sq
		if !(det > 0) {
			continue
		}
		a, b := (sw*yq-sy*sq)/det, (qq*sy-sq*yq)/det
		if below && b > -low {
			a, b = (yq+low*sq)/qq, -low
		}
		if loss := yy - 2*a*yq - 2*b*sy + a*a*qq + 2*a*b*sq + b*b*sw; a > 0 && loss < best {
			best, s, m = loss, float32(a), float32(b+low)
		}
	}
	if math.IsInf(best, 1) { // the weights leave nothing to fit
		return float32(width / float64(top)), lo
	}
	return s, m
}
