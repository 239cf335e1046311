package stats

import (
	"math"

	"eclat/model/sample"
)

// LogSoftmax writes log(exp(x[i]) / Σ exp(x)) to dst, which has the length of x,
// and reports whether the answer is a distribution: false where a logit is not finite.
func LogSoftmax(dst []float64, x []float32) bool {
	log, ok := LogSumExp(x)
	if !ok {
		return false
	}
	for i, v := range x {
		dst[i] = float64(v) - log
	}
	return true
}

// LogSumExp returns log(Σ exp(x)), the difference between a logit and the logarithm of
// its probability; false where a logit is not finite.
func LogSumExp(x []float32) (log float64, ok bool) {
	if !sample.Finite(x) {
		return 0, false
	}
	top := math.Inf(-1)
	for _, v := range x {
		top = math.Max(top, float64(v))
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v) - top)
	}
	return top + math.Log(sum), true
}

// KL returns the Kullback–Leibler divergence Σ p·(log p − log q) in nats, of the
// natural logarithms of two distributions: how badly q stands in for p. Rounding
// can take the sum of nearly equal ones below zero; it is clamped there.
func KL(logP, logQ []float64) float64 {
	var sum float64
	for i, lp := range logP {
		if p := math.Exp(lp); p > 0 {
			sum += p * (lp - logQ[i])
		}
	}
	return math.Max(0, sum)
}

// TopKL is the part of the divergence that a list of the other side's most likely
// tokens tells: Σ p·(log p − log q) over the ids listed, with q their
// probabilities. It may be negative. Other programs print such lists, and this is
// the measure their float64 oracle uses.
func TopKL(logP []float64, ids []int32, q []float64) float64 {
	var sum float64
	for i, id := range ids {
		sum += math.Exp(logP[id]) * (logP[id] - math.Log(math.Max(q[i], 1e-12)))
	}
	return sum
}
