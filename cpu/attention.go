package cpu

import (
	"math"

	"eclat/loader/quant"
	"eclat/model"
)

// attentionParts is one part a token and query head.
func attentionParts(p *program, s *step) int { return p.rows(s) * int(s.Arg[0]) }

// attentionPart computes head h of token i over the positions t that it sees, a page
// at a time:
//
//	a[t] = softmax_t(scale · q·K[t]),  dst = Σ_t a[t]·V[t]
func attentionPart(p *program, s *step, worker, part int) {
	nHead, nKV, dimK, dimV, scale := int(s.Arg[0]), int(s.Arg[1]), int(s.Arg[2]), int(s.Arg[3]), s.ArgFloat(4)
	i, h := part/nHead, part%nHead
	g, t0, end := h/(nHead/nKV), 0, p.position(i)+1
	if window := int(s.Arg[5]); window > 0 {
		t0 = max(0, end-window)
	}
	q, dst := row(s.src[0], part, dimK), row(s.dst, part, dimV)
	a := p.b.scratch[worker][:end-t0]

	keys, table := s.kept[1], p.table(i, s.kept[1])
	top := float32(math.Inf(-1))
	for t := t0; t < end; {
		r, n := pageOf(table, t, end)
		at, a := (r*nKV+g)*dimK, a[t-t0:][:n]
		if keys.half != nil {
			top = max(top, scoresHalf(a, q, keys.half[at:], nKV*dimK, scale))
		} else {
			top = max(top, scoresFull(a, q, keys.full[at:], nKV*dimK, scale))
		}
		t += n
	}
	var sum float64
	for t, x := range a {
		e := math.Exp(float64(x - top))
		a[t] = float32(e)
		sum += e
	}
	for t := range a {
		a[t] *= float32(1 / sum)
	}
	values, table := s.kept[2], p.table(i, s.kept[2])
	clear(dst)
	for t := t0; t < end; {
		r, n := pageOf(table, t, end)
		at, a := (r*nKV+g)*dimV, a[t-t0:][:n]
		if values.half != nil {
			addHalf(dst, a, values.half[at:], nKV*dimV)
		} else {
			addFull(dst, a, values.full[at:], nKV*dimV)
		}
		t += n
	}
}

// pageOf returns the row of position t and how many positions before end follow it
// on its page, its own included.
func pageOf(table []int32, t, end int) (r, n int) {
	at := t % model.PageLen
	return int(table[t/model.PageLen])*model.PageLen + at, min(model.PageLen-at, end-t)
}

// scoresHalf computes a[t] = scale · Σ_d q[d]·k[t·stride+d] and returns the largest.
func scoresHalf(a, q []float32, k []uint16, stride int, scale float32) float32 {
	top := float32(math.Inf(-1))
	for t := range a {
		k := k[t*stride:][:len(q)]
		var s0, s1 float32
		for d := 0; d+1 < len(k); d += 2 {
			s0 += q[d] * quant.HalfToFloat(k[d])
			s1 += q[d+1] * quant.HalfToFloat(k[d+1])
		}
		if n := len(k); n%2 == 1 {
			s0 += q[n-1] * quant.HalfToFloat(k[n-1])
		}
		a[t] = (s0 + s1) * scale
		top = max(top, a[t])
	}
	return top
}

// scoresFull is scoresHalf of float32 keys.
func scoresFull(a, q, k []float32, stride int, scale float32) float32 {
	top := float32(math.Inf(-1))
	for t := range a {
		a[t] = dot(q, k[t*stride:][:len(q)]) * scale
		top = max(top, a[t])
	}
	return top
}

// addHalf computes dst[d] += Σ_t a[t]·v[t·stride+d].
func addHalf(dst, a []float32, v []uint16, stride int) {
	for t, x := range a {
		for d, v := range v[t*stride:][:len(dst)] {
			dst[d] += x * quant.HalfToFloat(v)
		}
	}
}

// addFull is addHalf of float32 values.
func addFull(dst, a, v []float32, stride int) {
	for t, x := range a {
		for d, v := range v[t*stride:][:len(dst)] {
			dst[d] += x * v
		}
	}
}
