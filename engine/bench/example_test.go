package bench_test

import (
	"fmt"
	"log"

	"eclat/engine/bench"
)

// A shape is a well-known model without its weights, or some of its layers; Synthetic
// writes one with random weights.
func ExampleParseShape() {
	s, err := bench.ParseShape("llama-3.2-1b:2")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d layers, %.2f · 10⁹ weights in %.2f GB\n", s.Layers, float64(s.Params())/1e9, float64(s.Bytes())/1e9)
	// Output: 2 layers, 0.38 · 10⁹ weights in 0.29 GB
}

// The tests are named as llama-bench names them: prompts and texts, at each depth.
func ExampleTests() {
	tests := bench.Tests([]int{512}, []int{128}, []int{0, 4096})
	for _, t := range tests {
		fmt.Println(t.Name())
	}
	fmt.Println(bench.Context(tests), "positions")
	// Output:
	// pp512
	// tg128
	// pp512 @ d4096
	// tg128 @ d4096
	// 4608 positions
}
