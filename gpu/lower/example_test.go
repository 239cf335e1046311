package lower_test

import (
	"fmt"
	"log"

	"eclat/gpu/lower"
	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
)

// A plan becomes dispatches without a device at hand: it takes what is known of one.
func ExampleKernels_All() {
	f := &ggufwrite.File{}
	f.Add("embd", quant.F16, []int{64, 100}, make([]float32, 6400))
	f.Add("norm", quant.F32, []int{64}, make([]float32, 64))
	f.Add("out", quant.Q8_0, []int{64, 100}, make([]float32, 6400))
	file, err := loader.FromBytes("tiny.gguf", f.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	b := model.NewBuilder(file, model.Room{Pages: 1})
	x := b.Embed("x", b.Weight("embd", 100, 64))
	x = b.RMSNorm("normed", x, b.Weight("norm", 1, 64), 1e-5)
	plan, err := b.Plan(b.MatMul("logits", b.Weight("out", 100, 64), b.Gather("last", x)))
	if err != nil {
		log.Fatal(err)
	}

	// A card with subgroups of 32, and weights as the file has them, each in one piece.
	kernels := lower.NewKernels(lower.Device{
		Name: "some card", Subgroup: 32, SubgroupMin: 32, SubgroupMax: 32, SubgroupArithmetic: true,
		MaxStorageRange: 1 << 30, MaxTexelElements: 1 << 27, MaxGroupInvocations: 1024, SharedMemory: 48 << 10,
	})
	o := model.CompileOptions{Size: model.Size{Tokens: 1, Want: 1}}
	groups, err := kernels.All(lower.NewLowering(plan, o, func(name string) *lower.WeightInfo {
		t := file.Tensor(name)
		return &lower.WeightInfo{Type: t.Type, Rows: t.Rows(), Cols: t.Dims[0], RowBytes: t.RowBytes,
			Parts: []lower.Part{{Rows: t.Rows(), Bytes: t.Size}}}
	}))
	if err != nil {
		log.Fatal(err)
	}
	for _, g := range groups {
		for _, d := range g.Dispatches {
			fmt.Println(plan.Steps[g.Step].Op, "→", d.Kernel)
		}
	}
	// Output:
	// embed → embed_f16
	// rmsnorm → rmsnorm
	// gather → gather
	// matmul → round
	// matmul → matvec_q8_0
}
