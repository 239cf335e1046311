package arch_test

import (
	"fmt"

	"eclat/loader"
	"eclat/model"
	"eclat/model/arch"
	"eclat/testdata"
)

// Open checks the built-in model and writes the plan of its last layer with the head.
func ExampleOpen() {
	f, err := loader.FromBytes("sotu-8m", testdata.Model)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	m, err := arch.Open(f)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := m.Plan(m.Last(1), model.Room{Pages: 8})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := p.Steps[len(p.Steps)-1]
	fmt.Println(m.Config.Architecture, "of", m.Config.NLayer, "layers; the last ends with", s.Op, "to", p.Tensors[s.Dst].Name)
	// Output: llama of 6 layers; the last ends with matmul to logits
}
