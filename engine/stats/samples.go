package stats

import (
	"math"
	"slices"
)

// Mean returns the arithmetic mean; 0 of no samples.
func Mean(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// StdDev returns the sample standard deviation, √(Σ(x−mean)²/(n−1)); 0 of fewer
// than two samples, as llama-bench has it.
func StdDev(x []float64) float64 {
	if len(x) < 2 {
		return 0
	}
	mean := Mean(x)
	var sum float64
	for _, v := range x {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / float64(len(x)-1))
}

// Quantile returns the value below which the share q (0…1) of x lies, with linear
// interpolation between neighbours (type 7 of Hyndman and Fan 1996). NaN of no samples.
func Quantile(x []float64, q float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	s := slices.Clone(x)
	slices.Sort(s)
	at := q * float64(len(s)-1)
	i := int(at)
	if i+1 >= len(s) {
		return s[len(s)-1]
	}
	return s[i] + (at-float64(i))*(s[i+1]-s[i])
}

// Running is a mean with its standard error, updated sample by sample (Welford 1962).
type Running struct {
	N    int
	mean float64
	m2   float64 // Σ(x−mean)²
}

// Add takes one sample.
func (r *Running) Add(x float64) {
	r.N++
	d := x - r.mean
	r.mean += d / float64(r.N)
	r.m2 += d * (x - r.mean)
}

// Mean returns the mean so far.
func (r *Running) Mean() float64 { return r.mean }

// StdErr returns the standard error of the mean, the samples' deviation / √n; 0
// for fewer than two samples.
func (r *Running) StdErr() float64 {
	if r.N < 2 {
		return 0
	}
	return math.Sqrt(r.m2 / float64(r.N-1) / float64(r.N))
}
