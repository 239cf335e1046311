package quant

import "math"

// Searches set eight groups side by side: each element of the eight is one vector, and what
// is found of them, sums, scales, losses, is one vector too. All of it is float32, each
// operation rounded by itself and elements in order, so that a processor's vectors have
// the same bits as the loops here. Steps are looked for only where they can be of use: a
// half's least is 2^-24.

// lanes is a number of each of eight groups.
type lanes [8]float32

// side has the elements of eight groups, and their weights.
type side struct {
	n    int // elements in a group: 16 or 32
	x, w [32]lanes
	even bool // all weights are 1
}

// fill takes in eight groups, one after the other in x; w is nil for weights of 1.
func (s *side) fill(x, w []float32) {
	s.n = len(x) / 8
	s.turn(&s.x, x)
	switch {
	case w != nil:
		s.turn(&s.w, w)
	case !s.even:
		for i := range s.w {
			s.w[i] = lanes{1, 1, 1, 1, 1, 1, 1, 1}
		}
	}
	s.even = w == nil
}

func (s *side) turnPlain(to *[32]lanes, from []float32) {
	for l := range 8 {
		for i, v := range from[l*s.n:][:s.n] {
			to[i][l] = v
		}
	}
}

// same are lanes of one number.
func same(v float32) lanes { return lanes{v, v, v, v, v, v, v, v} }

// level is the level of y, a whole number in lo…hi.
func level(y, inverse, lo, hi float32) float32 {
	return float32(math.RoundToEven(float64(greater(lo, lesser(hi, float32(y*inverse))))))
}

// lesser and greater are what a processor's vectors take for the lesser and the greater.
func lesser(a, b float32) float32 {
	if a < b {
		return a
	}
	return b
}

func greater(a, b float32) float32 {
	if a > b {
		return a
	}
	return b
}

// inverse is 1/step, 0 for a step of 0.
func inverse(step float32) float32 {
	if step == 0 {
		return 0
	}
	return 1 / step
}

// smallest is what no half's step comes near: values below it are as good as zeros.
const smallest = 0x1p-60

// curve is what the levels of a type stand for.
type curve int

const (
	whole curve = iota // whole numbers
	iq4nl              // valuesIQ4NL
)

// value is what the level of v stands for.
func (c curve) value(v, lo, hi float32) float32 {
	if c == iq4nl {
		return levelIQ4NL(v)
	}
	return level(v, 1, lo, hi)
}

// fitPlain finds for each group the step s for which Σ w·(x − s·q)², q the value nearest to
// x/s, is least among those tried: the element farthest from zero goes to about each of
// firsts, and each choice of levels gives its best step,
//
//	s = Σ w·x·q / Σ w·q²
func (s *side) fitPlain(step *lanes, firsts []lanes, c curve, lo, hi float32) {
	x, w := s.x[:s.n], s.w[:s.n]
	var low, high lanes
	s.extentPlain(&low, &high)
	for l := range step {
		m := high[l]
		if -low[l] > high[l] {
			m = low[l]
		}
		step[l] = 0
		if !(greater(-low[l], high[l]) >= smallest) {
			continue
		}
		inverse := 1 / m
		var best float32 // of what the levels take off Σ w·x²
		for _, first := range firsts {
			by := float32(first[l] * inverse)
			var xq, qq float32
			for i := range x {
				q := c.value(float32(x[i][l]*by), lo, hi)
				wq := float32(w[i][l] * q)
				xq, qq = xq+float32(wq*x[i][l]), qq+float32(wq*q)
			}
			fit := xq / qq
			if gain := float32(xq * fit); qq > 0 && gain > best {
				best, step[l] = gain, fit
			}
		}
	}
}

// fitRangePlain finds for each group the step s and the lowest level m for which
// Σ w·(x − s·q − m)², q in 0…top, is least among those tried: the range is cut into so many
// steps as cuts say, and each choice of levels gives its best s and m by least squares:
// where det = Σw·Σwq² − (Σwq)² is not 0, and y = x − lowest,
//
//	s = (Σw·Σwyq − Σwy·Σwq)/det      m = lowest + (Σwq²·Σwy − Σwq·Σwyq)/det
//
// With below, m ≤ 0.
func (s *side) fitRangePlain(step, low *lanes, cuts []lanes, top float32, below bool) {
	x, w := s.x[:s.n], s.w[:s.n]
	var lowest, highest lanes
	s.extentPlain(&lowest, &highest)
	for l := range step {
		lo, hi := lowest[l], highest[l]
		if below {
			lo = lesser(lo, 0)
		}
		width := hi - lo
		if step[l], low[l] = width/top, lo; !(width >= smallest) {
			step[l] = 0
			continue
		}
		inverse := 1 / width
		var sw, sy float32
		for i := range x {
			sw, sy = sw+w[i][l], sy+float32(w[i][l]*(x[i][l]-lo))
		}
		var best float32 // of what the levels take off Σ w·y²
		for _, cut := range cuts {
			by := float32(cut[l] * inverse)
			var sq, qq, yq float32
			for i := range x {
				y := x[i][l] - lo
				q := level(y, by, 0, top)
				wq := float32(w[i][l] * q)
				sq, qq, yq = sq+wq, qq+float32(wq*q), yq+float32(wq*y)
			}
			det := float32(sw*qq) - float32(sq*sq)
			a, b := (float32(sw*yq)-float32(sy*sq))/det, (float32(qq*sy)-float32(sq*yq))/det
			sound := det > float32(slight*float32(sw*qq))
			if below && !(sound && b <= -lo) {
				a, b, sound = (yq+float32(lo*sq))/qq, -lo, qq > 0
			}
			gain := float32(a*(yq+yq-float32(a*qq)-float32(b*(sq+sq)))) + float32(b*(sy+sy-float32(b*sw)))
			if sound && a > 0 && gain > best {
				best, step[l], low[l] = gain, a, b+lo
			}
		}
	}
}

// slight is the part of its first term below which a determinant is rounding.
const slight = 1e-6

// near is how far a try is from a scale and from a minimum.
type near struct{ scale, low lanes }

// nearby makes tries, of which the first should be {0, 0}.
func nearby(tries ...[2]float32) (n []near) {
	for _, t := range tries {
		n = append(n, near{same(t[0]), same(t[1])})
	}
	return n
}

// grid is what holds for the eight groups of a side alike:
//
//	x + dmin·low ≈ d·scale·q      scale: from…to; low: 0…to; q: the value of a level, lo…hi
type grid struct {
	d, dmin, from, to float32
	c                 curve
	lo, hi            float32
}

// lookPlain gives each group, of the scales and minimums near its own, those of least loss
// Σ w·(x + dmin·low − d·scale·q)², the first of those alike.
func (s *side) lookPlain(g *grid, tries []near, scale, low *lanes) {
	x, w := s.x[:s.n], s.w[:s.n]
	for l := range scale {
		best, bestScale, bestLow := float32(math.Inf(1)), scale[l], low[l]
		for t := range tries {
			sc, lw := lesser(greater(scale[l]+tries[t].scale[l], g.from), g.to), lesser(greater(low[l]+tries[t].low[l], 0), g.to)
			step, more := float32(g.d*sc), float32(g.dmin*lw)
			by := inverse(step)
			var sum float32
			for i := range x {
				y := x[i][l] + more
				e := y - float32(step*g.c.value(float32(y*by), g.lo, g.hi))
				sum += float32(float32(w[i][l]*e) * e)
			}
			if sum < best {
				best, bestScale, bestLow = sum, sc, lw
			}
		}
		scale[l], low[l] = bestScale, bestLow
	}
}

// sums are of each group Σw, Σw·x, Σw·q, Σw·q² and Σw·x·q.
type sums struct{ w, x, q, qq, xq lanes }

// sumPlain sums what the levels stand for.
func (s *side) sumPlain(g *grid, scale, low *lanes, to *sums) {
	for l := range scale {
		step, more := float32(g.d*scale[l]), float32(g.dmin*low[l])
		by := inverse(step)
		var sw, sx, sq, qq, xq float32
		for i := range s.x[:s.n] {
			x, w := s.x[i][l], s.w[i][l]
			q := g.c.value(float32((x+more)*by), g.lo, g.hi)
			wq := float32(w * q)
			sw, sx, sq, qq, xq = sw+w, sx+float32(w*x), sq+wq, qq+float32(wq*q), xq+float32(wq*x)
		}
		to.w[l], to.x[l], to.q[l], to.qq[l], to.xq[l] = sw, sx, sq, qq, xq
	}
}

// extentPlain gives the least and the greatest element of each group.
func (s *side) extentPlain(low, high *lanes) {
	for l := range low {
		low[l], high[l] = s.x[0][l], s.x[0][l]
		for i := range s.x[:s.n] {
			low[l], high[l] = lesser(s.x[i][l], low[l]), greater(s.x[i][l], high[l])
		}
	}
}

// levelsPlain stores the levels of x − off, lo…hi, and something more, in a byte each, one
// group after the other.
func (s *side) levelsPlain(q []byte, off, inverse *lanes, lo, hi float32, plus int) {
	for l := range off {
		for i := range s.x[:s.n] {
			q[s.n*l+i] = byte(int(level(s.x[i][l]-off[l], inverse[l], lo, hi)) + plus)
		}
	}
}

// levelsFP4Plain stores the nibbles of FP4 whose values, doubled, are nearest to x·inverse, of
// two as near the one nearer to zero, which has no sign.
func (s *side) levelsFP4Plain(q []byte, inverse *lanes) {
	for l := range inverse {
		for i := range s.x[:s.n] {
			v := float32(s.x[i][l] * inverse[l])
			a := math.Float32frombits(math.Float32bits(v) &^ (1 << 31))
			var n byte
			for t := range betweenFP4 {
				if a > betweenFP4[t][l] {
					n++
				}
			}
			if v < 0 && n > 0 {
				n |= 8
			}
			q[s.n*l+i] = n
		}
	}
}

// betweenFP4 lie halfway between the values of FP4, doubled.
var betweenFP4 = [7]lanes{same(0.5), same(1.5), same(2.5), same(3.5), same(5), same(7), same(10)}
