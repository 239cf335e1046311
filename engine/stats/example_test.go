package stats_test

import (
	"fmt"

	"eclat/engine/stats"
)

// How far one model's prediction is from another's, in nats.
func ExampleKL() {
	p, q := make([]float64, 3), make([]float64, 3)
	if !stats.LogSoftmax(p, []float32{2, 1, 0}) || !stats.LogSoftmax(q, []float32{2, 0, 1}) {
		fmt.Println("a logit is not finite")
		return
	}
	fmt.Printf("%.4f, of itself %.4f\n", stats.KL(p, q), stats.KL(p, p))
	// Output: 0.1547, of itself 0.0000
}

// A mean and its standard error, sample by sample.
func ExampleRunning() {
	var r stats.Running
	for _, tokensPerSecond := range []float64{41, 43, 42, 44, 40} {
		r.Add(tokensPerSecond)
	}
	fmt.Printf("%d samples: %.1f ± %.1f\n", r.N, r.Mean(), r.StdErr())
	// Output: 5 samples: 42.0 ± 0.7
}
