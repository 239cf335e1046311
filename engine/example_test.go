package engine_test

import (
	"context"
	"fmt"
	"log"

	"eclat/engine"
	"eclat/loader"
)

// A model is opened once; any number of goroutines may then ask it.
func ExampleEngine_Generate() {
	file, err := loader.Open("../testdata/sotu-8m-q4_k_m.gguf")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	e, err := engine.Open(ctx, file, engine.Options{Device: "cpu", Context: 256})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	text := e.Tokenizer.NewDecoder(false)
	_, err = e.Generate(ctx, engine.Request{Tokens: e.Prompt("The Congress of the United", false), MaxTokens: 1}, nil,
		func(id int32) { fmt.Println(text.Next(id)) })
	if err != nil {
		log.Fatal(err)
	}
	// Output: States
}
