//go:build cgo && !novulkan

package gpu

import (
	"testing"
	"time"

	"eclat/gpu/lower"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

// BenchmarkExperts prints GFLOP/s of the products with 32 experts of 1024 × 1024, of which
// each of 512 rows has four, and of the matrices of a dense model that has as much to
// multiply.
func BenchmarkExperts(b *testing.B) {
	const embd, ff, n, used, rows = 1024, 1024, 32, 4, 512
	in := benchBatch(0, rows, embd)
	for i := range in.Rows {
		in.Rows[i] = sample.Uniform(1, uint32(i)) - 0.5
	}
	w := make([]float32, n*ff*embd)
	for i := range w {
		w[i] = (sample.Uniform(2, uint32(i)) - 0.5) * 0.1
	}
	routes := func(b *model.Builder, x model.ID) model.ID {
		return b.Route("routes", b.MatMul("logits", b.Weight("router", n, embd), x), model.None,
			model.Routing{Used: used, Scale: 1, Groups: 1, GroupsUsed: 1})
	}
	receive := func(b *model.Builder) model.ID { return b.Receive("x", embd) }
	for _, ty := range []quant.Type{quant.Q4_K, quant.Q6_K} {
		var f ggufwrite.File
		f.Add("w", ty, []int{embd, used * ff}, w[:used*ff*embd])
		f.Add("e", ty, []int{embd, ff, n}, w)
		f.Add("router", quant.F32, []int{embd, n}, w[:n*embd])
		for _, c := range []struct {
			name  string
			build func(b *model.Builder) model.ID
		}{
			{"dense up", func(b *model.Builder) model.ID { return b.MatMul("up", b.Weight("w", used*ff, embd), receive(b)) }},
			{"experts up", func(b *model.Builder) model.ID {
				x := receive(b)
				return b.MatMulExperts("up", b.Experts("e", n, ff, embd), x, routes(b, x), model.None, n, 0, ff)
			}},
			{"experts down", func(b *model.Builder) model.ID {
				x := receive(b)
				r := routes(b, x)
				up := b.MatMulExperts("up", b.Experts("e", n, ff, embd), x, r, model.None, n, 0, ff)
				return b.MatMulExperts("down", b.Experts("e", n, ff, embd), up, r, model.None, n, 0, ff)
			}},
		} {
			b.Run(ty.String()+"/"+c.name, func(b *testing.B) {
				d := openKernels(b, false)
				be := newBench(d, lower.NewKernels(lowerable(d.Info())))
				be.split = 1 << 27
				defer be.Close()
				_, r := benchStep(b, be, &f, rows, rows, in, c.build)
				var t time.Duration
				for i := range r.ds { // the last product; of the last run
					if _, ok := lower.ProductOf(&r.ds[i]); ok {
						t = r.times[i+1] - r.times[i]
					}
				}
				b.ReportMetric(2.0*rows*used*ff*embd/float64(t), "GFLOP/s")
				b.ReportMetric(float64(t.Microseconds()), "µs")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
