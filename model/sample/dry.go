package sample

import (
	"math"
	"slices"

	"eclat/model/numerics"
)

// repeats is DRY ("don't repeat yourself", p-e-w 2024): a token that would go on with
// something the window has said before, n tokens of it at the end by now, loses
//
//	multiplier·base^(n−allowed)          where n ≥ allowed
//
// with the exponent at most 88.72/ln base, n being counted back to the last breaker.
// A token that holds a breaker is never punished.
func (s *Sampler) repeats(how *Settings, recent []int32) {
	most := how.breakers.since(s, recent) // no match reaches further back
	if most < int(how.DryAllowed) {
		return
	}
	z := s.suffixes(recent)
	longest := table(&s.counts, len(s.logits)) // by token, n + 1
	for i := 1; i < len(z); i++ {
		if n, ok := at(longest, recent[len(recent)-i]); ok {
			*n = max(*n, int32(min(int(z[i]), most))+1)
		}
	}
	limit := math.MaxFloat64
	log := numerics.Log(float64(how.DryBase))
	if log > 0 {
		limit = 88.72 / log
	}
	for i := 1; i < len(z); i++ {
		id := recent[len(recent)-i]
		n, ok := at(longest, id)
		if !ok || *n == 0 {
			continue
		}
		more := *n - 1 - how.DryAllowed
		*n = 0
		if more < 0 || s.logits[id] < -math.MaxFloat32 || how.breakers.holds(id) {
			continue
		}
		penalty := float64(float64(how.DryMultiplier) * numerics.Exp(float64(min(float64(more), limit)*log)))
		s.logits[id] = within(float32(max(float64(s.logits[id])-penalty, -math.MaxFloat32)))
	}
}

// suffixes returns, for each i, how many tokens the window and the window without its
// last i tokens have in common at their ends: the Z function of the window read
// backwards, in one pass (Gusfield 1997). Entry 0 says nothing.
func (s *Sampler) suffixes(w []int32) []int32 {
	m := len(w)
	s.common = slices.Grow(s.common[:0], m)
	z := s.common[:m]
	rev := func(i int) int32 { return w[m-1-i] }
	l, r := 0, 0 // the match that reaches furthest: [l, r) equals [0, r−l)
	for i := 1; i < m; i++ {
		n := 0
		if i < r {
			n = min(int(z[i-l]), r-i)
		}
		for i+n < m && rev(n) == rev(i+n) {
			n++
		}
		if z[i] = int32(n); i+n > r {
			l, r = i, i+n
		}
	}
	return z
}
