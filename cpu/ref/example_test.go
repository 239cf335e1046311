package ref_test

import (
	"context"
	"fmt"
	"log"

	"eclat/cpu/ref"
	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
)

// Any backend is used like this: the weights of a plan are loaded once, the plan is
// compiled for a number of tokens, and the program runs batch after batch.
func ExampleDevice() {
	f := &ggufwrite.File{}
	f.Add("embd", quant.F32, []int{2, 3}, []float32{1, 0, 0, 1, 3, 4}) // three tokens of two elements
	f.Add("out", quant.F32, []int{2, 1}, []float32{10, 1})
	file, err := loader.FromBytes("tiny.gguf", f.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	b := model.NewBuilder(file, model.Room{Pages: 1})
	plan, err := b.Plan(b.MatMul("y", b.Weight("out", 1, 2), b.Embed("x", b.Weight("embd", 3, 2))))
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	backend, err := ref.Device().Open(ctx, model.OpenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Close() // and its programs
	if err := backend.Load(ctx, file, plan); err != nil {
		log.Fatal(err)
	}
	program, err := backend.Compile(plan, model.CompileOptions{Size: model.Size{Tokens: 8}})
	if err != nil {
		log.Fatal(err)
	}
	var out model.Outputs
	batch := model.Batch{Tokens: []int32{0, 1, 2}, Pos: []int32{0, 1, 2}, Seqs: []model.SeqRun{{N: 3}}}
	if err := program.Run(ctx, &batch, &out); err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.Rows) // one row of one element a token
	// Output: [10 1 34]
}
