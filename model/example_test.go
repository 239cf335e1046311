package model_test

import (
	"fmt"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

// A plan is written through a Builder, over the tensors of a file.
func ExampleBuilder() {
	f := &ggufwrite.File{}
	f.Add("embd", quant.F32, []int{4, 3}, make([]float32, 12))
	f.Add("out", quant.F16, []int{4, 3}, make([]float32, 12))
	file, err := loader.FromBytes("tiny.gguf", f.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()

	b := model.NewBuilder(file, model.Room{Pages: 1})
	x := b.Embed("x", b.Weight("embd", 3, 4))
	last := b.Gather("last", x)
	p, err := b.Plan(b.Sample("token", b.MatMul("logits", b.Weight("out", 3, 4), last)))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range p.Steps {
		fmt.Printf("%-6s = %s\n", p.Tensors[s.Dst].Name, s.Op.Formula())
	}
	// Output:
	// x      = W[token]
	// last   = x[want]
	// logits = x · Wᵀ
	// token  = choose(x)
}

// Two sequences in one batch: 3 tokens of a prompt, and one token that goes on from
// position 40. Each names the pages where its positions lie.
func ExampleBatch_Check() {
	p := &model.Plan{Axes: 1, Vocab: 100, Hidden: model.None, Pools: []model.Pool{{Per: model.Position, Units: 4}}}
	b := model.Batch{
		Tokens: []int32{5, 6, 7, 99},
		Pos:    []int32{0, 1, 2, 40},
		Seqs: []model.SeqRun{
			{N: 3, Units: [][]int32{{3}}},
			{N: 1, Units: [][]int32{{0, 2}}},
		},
		Want: []int32{2, 3},
		How:  []sample.Params{{}, {Temp: 0.7}},
	}
	fmt.Println(b.Check(p, model.Size{Tokens: 8, Want: 2}))
	b.Seqs[1].Units[0][1] = 3 // the page that the other writes
	fmt.Println(b.Check(p, model.Size{Tokens: 8, Want: 2}))
	// Output:
	// <nil>
	// model: sequences 0 and 1 share unit 3 of pool 0, and one writes it
}
