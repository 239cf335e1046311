package quant

import "math"

// Searches set sixteen scales side by side. What they sum is float32, each operation rounded
// by itself and elements in order, so that a processor's vectors, a lane a try, have the
// same bits as these loops.

// tries is how many scales are looked at together.
const tries = 16

// each is a number of every try.
type each [tries]float32

// levelSums are sums over a group by the levels q = round((x − off)·inverse), clamped to
// lo…hi: of every try Σw·q, Σw·q² and Σw·y·q, y = x − off.
type levelSums struct{ q, qq, yq each }

func (s *levelSums) plain(x, w []float32, off float32, inverse *each, lo, hi float32) {
	for t := range tries {
		var q, qq, yq float32
		for i, v := range x {
			y := v - off
			l := level(y, inverse[t], lo, hi)
			wl := float32(w[i] * l)
			q, qq, yq = q+wl, qq+float32(wl*l), yq+float32(wl*y)
		}
		s.q[t], s.qq[t], s.yq[t] = q, qq, yq
	}
}

// level is the level of y, a whole number in lo…hi.
func level(y, inverse, lo, hi float32) float32 {
	return min(max(float32(math.RoundToEven(float64(float32(y*inverse)))), lo), hi)
}

// levelLoss gives of every try Σw·(y − step·q)², y = x − off and q its level.
func levelLossPlain(loss *each, x, w []float32, off, inverse, step *each, lo, hi float32) {
	for t := range tries {
		var sum float32
		for i, v := range x {
			y := v - off[t]
			e := y - float32(step[t]*level(y, inverse[t], lo, hi))
			sum += float32(float32(w[i]*e) * e)
		}
		loss[t] = sum
	}
}

// levelsPlain stores the levels of x, and something more, in a byte each.
func levelsPlain(dst []byte, x []float32, off, inverse, lo, hi float32, plus int) {
	for i, v := range x {
		dst[i] = byte(int8(level(v-off, inverse, lo, hi)) + int8(plus))
	}
}

// boundsPlain returns the least and the greatest of x.
func boundsPlain(x []float32) (lo, hi float32) {
	lo, hi = x[0], x[0]
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo + 0, hi + 0 // never −0
}

// inverse is 1/step, 0 of a step that divides nothing.
func inverse(step float32) float32 {
	if i := 1 / step; step != 0 && i-i == 0 {
		return i
	}
	return 0
}
