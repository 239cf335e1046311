package stats

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*math.Max(1, math.Abs(want))) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestSamples(t *testing.T) {
	x := []float64{2, 4, 4, 4, 5, 5, 7, 9}
	near(t, "mean", Mean(x), 5)
	near(t, "deviation", StdDev(x), math.Sqrt(32.0/7))
	near(t, "median", Quantile(x, 0.5), 4.5)
	near(t, "maximum", Quantile(x, 1), 9)
	near(t, "99 %", Quantile(x, 0.99), 8.86)
	var r Running
	for _, v := range x {
		r.Add(v)
	}
	near(t, "running mean", r.Mean(), 5)
	near(t, "standard error", r.StdErr(), math.Sqrt(32.0/7/8))
	near(t, "deviation of one", StdDev(x[:1]), 0)
	if !math.IsNaN(Quantile(nil, 0.5)) {
		t.Error("a quantile of nothing")
	}
}

func TestLogits(t *testing.T) {
	p, q := make([]float64, 3), make([]float64, 3)
	if !LogSoftmax(p, []float32{1000, 1000, 1000}) || !LogSoftmax(q, []float32{0, 0, float32(math.Log(2))}) {
		t.Fatal("refused")
	}
	near(t, "p", p[1], math.Log(1.0/3))
	near(t, "q", q[2], math.Log(0.5))
	// KL(⅓,⅓,⅓ ‖ ¼,¼,½) = ⅔·log(4/3) + ⅓·log(2/3)
	near(t, "KL", KL(p, q), 2.0/3*math.Log(4.0/3)+1.0/3*math.Log(2.0/3))
	near(t, "KL of equals", KL(q, q), 0)
	near(t, "KL over a list", TopKL(p, []int32{2}, []float64{0.5}), 1.0/3*math.Log(2.0/3))
	for _, bad := range [][]float32{{1, float32(math.NaN())}, {float32(math.Inf(1)), 0}, {float32(math.Inf(-1)), 0}, {float32(math.Inf(-1))}} {
		if LogSoftmax(make([]float64, len(bad)), bad) {
			t.Errorf("%v made a distribution", bad)
		}
	}
}
