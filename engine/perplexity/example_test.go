package perplexity_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"eclat/engine"
	"eclat/engine/perplexity"
	"eclat/loader"
	"eclat/testdata"
)

// A text is cut into windows, the rest is not used, and a beginning-of-sequence token, 1
// here, takes the place of each window's first.
func ExampleWindows() {
	fmt.Println(perplexity.Windows([]int32{11, 12, 13, 14, 15, 16, 17, 18, 19}, 4, 1))
	// Output: [[1 12 13 14] [1 16 17 18]]
}

func ExampleRun() {
	text, err := os.ReadFile("testdata/gettysburg.txt")
	if err != nil {
		log.Fatal(err)
	}
	file, err := loader.FromBytes(testdata.ModelName, testdata.Model)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	e, err := engine.Open(ctx, file, engine.Options{Device: "cpu", Context: 64})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	r, err := perplexity.Run(ctx, e, e.Prompt(string(text), false), perplexity.Options{Window: 64, Limit: 2})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d windows, %d tokens scored, perplexity %.0f\n", r.Windows, r.Scored, r.Perplexity)
	// Output: 2 windows, 62 tokens scored, perplexity 67
}
