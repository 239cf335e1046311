package sample_test

import (
	"fmt"

	"eclat/model/sample"
)

// The token is a function of logits, parameters and position: asked again, it is
// the same.
func ExampleSampler_Pick() {
	logits := []float32{0.1, 2, 1.9, -3}
	var s sample.Sampler
	fmt.Println(s.Pick(logits, sample.Params{}, 0))
	how := sample.Params{Temp: 1, TopK: 2, Seed: 7}
	for pos := range int32(6) {
		fmt.Print(s.Pick(logits, how, pos), " ")
	}
	fmt.Println(s.Pick(logits, how, 0))
	// Output:
	// 1
	// 2 1 1 1 1 1 2
}

// Choose does all of the chain; what depends on earlier tokens is computed from them.
func ExampleSampler_Choose() {
	how := sample.Defaults()
	how.Temp, how.Repeat, how.Bias = 0, 2, []sample.Bias{{ID: 3, Add: 1}}
	fmt.Println(how.OnHost(), &how)
	var s sample.Sampler
	ids := []int32{0}
	for range 4 {
		ids = append(ids, s.Choose([]float32{0.1, 2, 1.9, 0.2}, &how, ids))
	}
	fmt.Println(ids)
	// Output:
	// true logit bias on 1 → repeat 2 over 64 tokens → top-k 40 → top-p 0.95 → min-p 0.05 → the most likely, seed 0
	// [0 1 2 3 1]
}
