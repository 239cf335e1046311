package bench

import (
	"context"
	"testing"

	"eclat/engine"
)

// BenchmarkExperts sets a mixture of experts beside a dense model that reads as many bytes a
// token, on the processor and, where ECLAT_ALLOW_SOFTWARE or a GPU lets it, by Vulkan: a
// token alone, a prompt, and as many tokens one by one as the prompt has.
func BenchmarkExperts(b *testing.B) {
	base := Shape{Arch: "llama", Layers: 4, Embd: 1024, FF: 4096, Heads: 16, HeadsKV: 4, HeadDim: 64, Vocab: 8192, Context: 4096, RopeBase: 1e4}
	dense, mixed := base, base
	dense.Name, mixed.Name = "dense", "experts"
	mixed.FF = 1024 // of an expert
	mixed.experts, mixed.block, mixed.keys = experts{n: 32, used: 4, ff: 1024}, mixtralBlock, expertKeys
	for _, device := range []string{"cpu", "vulkan:0"} {
		for _, s := range []Shape{dense, mixed} {
			m, err := Synthetic(context.Background(), s, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			for _, test := range []Test{{Gen: 48}, {Gen: 512}, {Prompt: 512}} {
				b.Run(device+"/"+s.Name+"/"+test.Name(), func(b *testing.B) {
					f, err := m.Open()
					if err != nil {
						b.Fatal(err)
					}
					e, err := engine.Open(context.Background(), f, engine.Options{Device: device, Context: 640})
					if err != nil {
						f.Close()
						b.Skip(err)
					}
					defer e.Close()
					r, err := Run(context.Background(), e, []Test{test}, Options{Repeat: b.N})
					if err != nil {
						b.Fatal(err)
					}
					mean, _ := r[0].Rate()
					b.ReportMetric(mean, "tokens/s")
				})
			}
		}
	}
}
