package conformance

import (
	"fmt"
	"math"

	"eclat/loader/quant"
	"eclat/model"
)

// rowCounts are tokens in one run: one, the small batches, around a tile's edge, many.
var rowCounts = []int{1, 2, 3, 8, 9, 64, 65}

func embed() (cases []*Case) {
	for _, ty := range Types {
		const vocab, cols = 77, 512
		c := &test{tokens: 9}
		c.weight("w", ty, vocab, cols)
		c.build = func(b *model.Builder) model.ID { return b.Embed("x", b.Weight("w", vocab, cols)) }
		for _, n := range []int{1, 9} {
			in := stream(0, n, 0, []int32{0}, 0)
			for i := range n {
				in.Tokens = append(in.Tokens, int32((i*19+76)%vocab))
			}
			c.runs = append(c.runs, in)
		}
		cases = append(cases, typed(ty, compared("embed", ty.String(), LimitExact, c)))
	}
	return cases
}

func rmsnorm() (cases []*Case) {
	for _, cols := range []int{1, 7, 64, 257, 5120} {
		for _, large := range []float32{1, 1e5, 1e-6} {
			c := &test{tokens: 5}
			c.weight("w", quant.F32, 1, cols)
			c.build = func(b *model.Builder) model.ID {
				return b.RMSNorm("y", b.Receive("x", cols), b.Weight("w", 1, cols), 1e-5)
			}
			in := stream(0, 5, cols, []int32{0}, 1)
			for i := range in.Hidden {
				in.Hidden[i] *= large
			}
			c.runs = []model.Inputs{in}
			cases = append(cases, compared("rmsnorm", fmt.Sprintf("%d of size %g", cols, large), LimitExact, c))
		}
	}
	return cases
}

// typed notes the type a case is about.
func typed(ty quant.Type, c *Case) *Case {
	c.Type = ty.String()
	return c
}

// matmulTest is a product with a weight of rows × cols, of up to tokens tokens.
func matmulTest(ty quant.Type, rows, cols, tokens int) *test {
	c := &test{tokens: tokens, pages: model.Pages(tokens)}
	c.weight("w", ty, rows, cols)
	c.build = func(b *model.Builder) model.ID {
		return b.MatMul("y", b.Weight("w", rows, cols), b.Receive("x", cols))
	}
	return c
}

// matmul runs every type over every row count, with short and long rows, tails in
// the number of weight rows, and sums beyond f16's range.
func matmul() (cases []*Case) {
	for _, ty := range Types {
		block, _ := ty.Block()
		limit := LimitQuant
		if ty == quant.F32 {
			limit = LimitExact
		}
		for _, shape := range []struct{ rows, cols int }{{1, 1}, {3, 2}, {33, 1}, {70, 5}, {256, 4}, {1031, 1}} {
			cols := shape.cols * max(block, 256)
			if block == 1 && shape.cols == 5 {
				cols += 3 // a tail only unblocked types can have
			}
			name := fmt.Sprintf("%s %d×%d", ty, shape.rows, cols)
			c := matmulTest(ty, shape.rows, cols, 65)
			for _, n := range rowCounts {
				c.runs = append(c.runs, stream(0, n, cols, []int32{0, 1, 2}, uint64(n)))
			}
			cases = append(cases, typed(ty, compared("matmul", name, limit, c)))
			// A plan for one row only may use other kernels than a part of a larger one.
			c = matmulTest(ty, shape.rows, cols, 1)
			c.runs = []model.Inputs{stream(0, 1, cols, []int32{0}, 5)}
			cases = append(cases, typed(ty, compared("matmul", name+" one row", limit, c)))
		}
		c := matmulTest(ty, 40, 512, 2)
		in := stream(0, 2, 512, []int32{0}, 6)
		for i := range in.Hidden { // sums near 1e7, far above 65504
			in.Hidden[i] = float32(math.Abs(float64(in.Hidden[i]))) * 1e5
		}
		c.runs = []model.Inputs{in}
		cases = append(cases, typed(ty, compared("matmul", ty.String()+" large", limit, c)))
	}
	return cases
}

func rope() (cases []*Case) {
	for _, c := range []struct {
		heads, headDim, dims int
		base                 float64
		scale                float32
	}{{4, 128, 128, 1e9, 1}, {3, 64, 64, 10000, 1}, {2, 80, 32, 1e6, 1.25}, {1, 2, 2, 100, 1}, {5, 96, 96, 5e5, 0.9}} {
		cols := c.heads * c.headDim
		x := &test{tokens: 6, pages: 1}
		x.weight("unused", quant.F32, 1, 1)
		x.build = func(b *model.Builder) model.ID {
			r := model.Rope{Scale: c.scale}
			for j := range c.dims / 2 {
				r.Freq = append(r.Freq, math.Pow(c.base, -2*float64(j)/float64(c.dims)))
			}
			return b.RoPE("y", b.Receive("x", cols), c.headDim, b.Rope(r))
		}
		// Far positions: rope reads no cache, so a table of one page repeated serves.
		for _, pos := range []int{0, 1, 31, 4095, 131066} {
			table := make([]int32, pos/model.PageLen+2)
			x.runs = append(x.runs, stream(pos, 6, cols, table, uint64(pos)))
		}
		cases = append(cases, compared("rope", fmt.Sprintf("%d heads, %d of %d", c.heads, c.dims, c.headDim), LimitExact, x))
	}
	return cases
}

func elementwise() (cases []*Case) {
	for _, cols := range []int{1, 100, 256, 1000} {
		for _, op := range []struct {
			name  string
			build func(b *model.Builder) model.ID
		}{
			{"swiglu", func(b *model.Builder) model.ID {
				x := b.Receive("x", cols)
				return b.SwiGLU("y", x, b.RMSNorm("n", x, b.Weight("w", 1, cols), 1e-5))
			}},
			{"add", func(b *model.Builder) model.ID {
				x := b.Receive("x", cols)
				return b.Add("y", x, b.RMSNorm("n", x, b.Weight("w", 1, cols), 1e-5))
			}},
			{"bias", func(b *model.Builder) model.ID {
				return b.Add("y", b.Receive("x", cols), b.Weight("w", 1, cols))
			}},
			{"gather", func(b *model.Builder) model.ID {
				return b.Gather("y", b.Receive("x", cols))
			}},
		} {
			c := &test{tokens: 7, logits: 7, build: op.build}
			c.weight("w", quant.F32, 1, cols)
			for _, want := range [][]int32{{6}, {0, 3, 5}, {6, 5, 4, 3, 2, 1, 0}, {}} {
				in := stream(0, 7, cols, []int32{0}, 3)
				for i := range in.Hidden { // silu's far ends too
					in.Hidden[i] *= float32(1 + i%90)
				}
				in.Want = want
				c.runs = append(c.runs, in)
			}
			cases = append(cases, compared(op.name, fmt.Sprint(cols), LimitExact, c))
		}
	}
	return cases
}

// sample compares the chosen tokens, for greedy and each filter, several rows at once.
func sample() (cases []*Case) {
	for _, vocab := range []int{5, 1000, 32768} {
		c := &test{tokens: 6, logits: 6}
		c.weight("unused", quant.F32, 1, 1)
		c.build = func(b *model.Builder) model.ID { return b.Sample("token", b.Gather("g", b.Receive("x", vocab))) }
		for run, how := range []model.Sampling{
			{}, {Temp: 1, TopK: 1}, {Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: 1}, {Temp: 2, TopK: 7, Seed: 1 << 40},
			{Temp: 0.7, TopK: 64, TopP: 0.5, Seed: 3}, {Temp: 1.5, TopK: 100, MinP: 0.2, Seed: 4},
		} {
			in := stream(run, 6, vocab, []int32{0}, uint64(run))
			for i := range in.Hidden {
				in.Hidden[i] *= 4
			}
			in.Hidden[vocab-1], in.Hidden[vocab-2] = 50, 50 // a tie: the lower id wins
			in.Hidden[vocab+1] = float32(math.NaN())
			for i := range 6 {
				in.Want = append(in.Want, int32(5-i))
				in.Sampling = append(in.Sampling, how)
			}
			c.runs = append(c.runs, in)
		}
		cases = append(cases, compared("sample", fmt.Sprintf("of %d", vocab), LimitExact, c))
	}
	return cases
}
