package sample

import (
	"cmp"
	"math"
	"slices"

	"eclat/model/numerics"
)

// withinSigma leaves the ranked candidates whose logits lie at most n deviations below
// the largest: l ≥ max − n·σ, σ² = Σ(l − mean)²/N over the N logits that are not banned
// (Tang et al. 2024, "Top-nσ", arXiv 2411.07641).
func withinSigma(cand []candidate, logits []float32, n float32) []candidate {
	var sum, squares float64
	count := 0
	for _, x := range logits {
		if x >= -math.MaxFloat32 {
			sum += float64(x)
			count++
		}
	}
	mean := sum / float64(count)
	for _, x := range logits {
		if x >= -math.MaxFloat32 {
			d := float64(x) - mean
			squares += float64(d * d)
		}
	}
	least := float64(cand[0].logit) - float64(float64(n)*math.Sqrt(squares/float64(count)))
	keep := 1
	for keep < len(cand) && float64(cand[keep].logit) >= least {
		keep++
	}
	return cand[:keep]
}

// surprise is what a candidate's −ln p lies away from the entropy.
type surprise struct {
	away float64
	p    float64
	at   int32 // among the candidates
	id   int32
}

// typicalOf leaves the candidates whose −ln p is nearest to the entropy, until their
// probabilities exceed p (Meister et al. 2022, "Locally typical sampling"); ranked as
// before.
func (s *Sampler) typicalOf(cand []candidate, p float32) []candidate {
	entropy, sum, logSum := s.entropy(cand)
	s.surprise = s.surprise[:0]
	for i, c := range cand {
		logP := logitOf(c, cand) - logSum
		s.surprise = append(s.surprise, surprise{math.Abs(-logP - entropy), s.weights[i] / sum, int32(i), c.id})
	}
	slices.SortFunc(s.surprise, func(a, b surprise) int {
		return cmp.Or(cmp.Compare(a.away, b.away), cmp.Compare(a.id, b.id))
	})
	keep, reached := 0, 0.0
	for keep < len(cand) && reached <= float64(p) {
		reached += s.surprise[keep].p
		keep++
	}
	kept := s.surprise[:keep]
	slices.SortFunc(kept, func(a, b surprise) int { return cmp.Compare(a.at, b.at) })
	for i, k := range kept {
		cand[i] = cand[k.at]
	}
	return cand[:keep]
}

// withoutTop leaves out all candidates that reach the threshold but the least likely of
// them, where the second number of the position is not above the probability (XTC,
// "exclude top choices", p-e-w 2024):
//
//	w[c] = Exp2((x[c] − x[0])·log₂e)     p[c] ≥ threshold where w[c] ≥ threshold·Σw
func withoutTop(cand []candidate, how *Settings, pos int32) []candidate {
	if uniform(how.Seed, uint32(pos), 1) > how.XTCProbability {
		return cand
	}
	least := float32(how.XTCThreshold * total(cand, math.Log2E))
	n := 0
	for n < len(cand) && weight(cand[n].logit, cand[0].logit, math.Log2E) >= least {
		n++
	}
	return cand[max(0, n-1):]
}

// temperature is the one to draw at: fixed, or by how much there is to choose from,
//
//	Tmin + (Tmax − Tmin)·(H/ln N)^exponent     Tmin = max(0, T − range), Tmax = T + range
//
// of N candidates with entropy H (Zhang et al. 2024, "EDT").
func (s *Sampler) temperature(how *Settings, cand []candidate) float32 {
	if !(how.DynaRange > 0) || len(cand) == 1 {
		return how.Temp
	}
	low := max(0, float64(how.Temp)-float64(how.DynaRange))
	high := float64(how.Temp) + float64(how.DynaRange)
	entropy, _, _ := s.entropy(cand)
	share := min(max(entropy/numerics.Log(float64(len(cand))), 0), 1)
	power := 0.0
	switch {
	case how.DynaExponent == 0:
		power = 1
	case share > 0:
		power = exp(float64(float64(how.DynaExponent) * numerics.Log(share)))
	}
	return float32(min(low+float64((high-low)*power), math.MaxFloat32))
}

// logitOf is a candidate's logit less the largest.
func logitOf(c candidate, cand []candidate) float64 {
	return float64(c.logit) - float64(cand[0].logit)
}

// exp is e^x for x ≤ 0, 0 where that is next to nothing.
func exp(x float64) float64 {
	if x < -690 {
		return 0
	}
	return numerics.Exp(x)
}

// entropy returns that of ranked candidates at temperature 1, in nats, the sum of their
// weights e^(x − x[0]), which it leaves in s.weights, and its logarithm:
//
//	H = −Σ p·ln p     p = e^(x − x[0]) / Σ     ln p = x − x[0] − ln Σ
//
// Sums are in order of rank, from +0.
func (s *Sampler) entropy(cand []candidate) (entropy, sum, logSum float64) {
	s.weights = s.weights[:0]
	for _, c := range cand {
		w := exp(logitOf(c, cand))
		s.weights = append(s.weights, w)
		sum += w
	}
	logSum = numerics.Log(sum)
	for i, c := range cand {
		entropy -= float64(s.weights[i] / sum * (logitOf(c, cand) - logSum))
	}
	return entropy, sum, logSum
}
