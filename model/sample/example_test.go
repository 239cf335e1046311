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
