package conformance

import (
	"fmt"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

// VectorQuestion names the question of a norm whose weight has a type.
func VectorQuestion(ty quant.Type) string { return fmt.Sprintf("vector %s", ty) }

func vectorQuestion(ty quant.Type) *test {
	c := &test{opts: sized(3)}
	c.weight("w", ty, 1, 512)
	c.build = func(b *model.Builder) model.ID {
		return b.RMSNorm("y", b.Receive("x", 512), b.Weight("w", 1, 512), 1e-5)
	}
	c.runs = fixed(rowsOnly(0, 3, 512, 1), rowsOnly(0, 2, 512, 2))
	return c
}

// groups are elements normed together.
var groups = []int{32, 64, 128, 256, 512, 1536}

// NormQuestion names the question of an RMSNorm of n elements; tail: not whole fours.
func NormQuestion(n int, tail bool) string {
	if tail {
		return fmt.Sprintf("rmsnorm %d, tail", class(groups, n))
	}
	return fmt.Sprintf("rmsnorm %d", class(groups, n))
}

func normQuestion(group int, tail bool) *test {
	if tail {
		group--
	}
	c := &test{opts: sized(4)}
	w := values(4, group, 1)
	for i := range w {
		if i%4 == 1 {
			w[i] *= 1e-4 // with tiny rows, below the normal numbers
		}
	}
	c.tensor("w", quant.F32, 1, group, w)
	c.build = func(b *model.Builder) model.ID {
		return b.RMSNorm("y", b.Receive("x", 2*group), b.Weight("w", 1, group), 1e-5)
	}
	last := rowsOnly(0, 4, 2*group, 5)
	last.Rows[7*group] = nan
	c.runs = fixed(rowsOnly(0, 4, 2*group, 1), scaled(rowsOnly(0, 4, 2*group, 2), 1e5),
		tiny(rowsOnly(0, 4, 2*group, 3)), rowsOnly(0, 3, 2*group, 4), last)
	return c
}

// BareNormQuestion names the question of an RMSNorm of n elements without a weight.
func BareNormQuestion(n int) string {
	return fmt.Sprintf("rmsnorm %d without a weight", class(groups, n))
}

func bareNormQuestion(group int) *test {
	c := normQuestion(group, false)
	c.build = func(b *model.Builder) model.ID {
		return b.HeadNorm("y", b.Receive("x", 2*group), group, 1e-5)
	}
	return c
}

// layerNormQuestion is of rows longer than the chains, with a tail, and then of their two
// halves.
func layerNormQuestion() *test {
	const cols = 1530
	c := &test{opts: sized(4)}
	c.weight("w", quant.F32, 1, cols)
	c.build = func(b *model.Builder) model.ID {
		w := b.Weight("w", 1, cols)
		return b.HeadLayerNorm("y", b.LayerNorm("row", b.Receive("x", cols), w, 1e-5), w, cols/2, 1e-5)
	}
	last := rowsOnly(0, 4, cols, 5)
	last.Rows[2*cols] = nan
	c.runs = fixed(rowsOnly(0, 4, cols, 1), scaled(rowsOnly(0, 4, cols, 2), 1e5), tiny(rowsOnly(0, 4, cols, 3)), rowsOnly(0, 3, cols, 4), last)
	return c
}

// RoundedQuestion names the question of n rows of an RMSNorm of some elements, whole blocks,
// that go to a product alone: backends round them at once.
func RoundedQuestion(group, n int) string {
	return fmt.Sprintf("rmsnorm %d, %d rows to a product", class(groups, group), n)
}

func roundedQuestion(group, n int) *test {
	c := matmulTest(productOuts, 2*group, n)
	w := values(4, group, 1)
	for i := range w {
		if i%4 == 1 {
			w[i] *= 3e-12 // about the least that is not taken for zero, where nothing else is in a row
		}
	}
	c.tensor("norm", quant.F32, 1, group, w)
	c.build = func(b *model.Builder) model.ID {
		return b.RMSNorm("x", b.Receive("in", 2*group), b.Weight("norm", 1, group), 1e-5)
	}
	c.toProduct(2 * group)
	last := rowsOnly(0, n, 2*group, 5)
	last.Rows[n*2*group-group] = nan
	few := rowsOnly(0, n, 2*group, 4)
	for i := range few.Rows {
		if i%4 != 1 {
			few.Rows[i] = 0
		}
	}
	c.runs = fixed(rowsOnly(0, n, 2*group, 1), few, scaled(rowsOnly(0, n, 2*group, 2), 1e5), tiny(rowsOnly(0, n, 2*group, 3)), last)
	return c
}

// ActQuestion names the question of an activation.
func ActQuestion(f model.Activation) string { return fmt.Sprintf("act %s", f) }

// elementQuestion is of an op that sees an element of one source or two at a time, f of
// Act, or of Gather.
func elementQuestion(op model.Op, f model.Activation) *test {
	const cols = 259
	c := &test{opts: sized(5)}
	c.weight("w", quant.F32, 1, cols)
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", cols)
		switch op {
		case model.Act:
			switch f {
			case model.Scaled:
				return b.Scale("y", x, -0.37)
			case model.Capped:
				return b.Cap("y", x, 30)
			}
			return b.Act("y", x, f)
		case model.SwiGLU:
			return b.SwiGLU("y", x, x)
		case model.Add:
			return b.Add("y", x, x)
		case model.Mul:
			return b.Mul("y", x, x)
		}
		return b.Gather("y", x)
	}
	for i, large := range []float32{1, 40, 1e-20} {
		b := scaled(rowsOnly(0, 5-i%2, cols, uint64(i+1)), large)
		b.Want = []int32{0, 1, 3}
		if i == 1 {
			b.Rows[cols], b.Rows[2*cols+1], b.Rows[2*cols+2] = nan, inf, -inf
		}
		prev := c.runs
		c.runs = func(p *model.Plan) []*model.Batch {
			if prev == nil {
				return []*model.Batch{b}
			}
			return append(prev(p), b)
		}
	}
	return c
}

func biasQuestion() *test {
	c := &test{opts: sized(5)}
	c.weight("w", quant.F32, 1, 259)
	c.build = func(b *model.Builder) model.ID { return b.Add("y", b.Receive("x", 259), b.Weight("w", 1, 259)) }
	c.runs = fixed(rowsOnly(0, 5, 259, 1), rowsOnly(0, 4, 259, 2))
	return c
}

// FactorQuestion names the question of a product with a weight of a row's elements, or of one.
func FactorQuestion(one bool) string {
	if one {
		return "mul by one"
	}
	return "mul by a vector"
}

func factorQuestion(one bool) *test {
	const cols = 259
	n := cols
	if one {
		n = 1
	}
	c := &test{opts: sized(5)}
	c.weight("w", quant.F32, 1, n)
	c.build = func(b *model.Builder) model.ID { return b.Mul("y", b.Receive("x", cols), b.Weight("w", 1, n)) }
	c.runs = fixed(rowsOnly(0, 5, cols, 1), scaled(rowsOnly(0, 5, cols, 3), 1e-12), rowsOnly(0, 4, cols, 2))
	return c
}

// sampleQuestion chooses greedily and by filters, among ties and where a logit is NaN.
func sampleQuestion() *test {
	const vocab, rows = 3001, 5
	c := sampleTest(vocab, rows)
	var runs []*model.Batch
	for run := range 2 {
		b := scaled(rowsOnly(run*1000, rows, vocab, uint64(run)), 4)
		b.Rows[vocab-1], b.Rows[vocab-2] = 50, 50
		b.Rows[vocab+1+run] = nan
		for i, how := range []sample.Params{{}, {}, {Temp: 1, TopK: 1}, {Temp: 0.8, TopK: 5, Seed: 1}, {Temp: 2, TopK: 7, Seed: 2}} {
			b.Want, b.How = append(b.Want, int32(i)), append(b.How, how)
		}
		runs = append(runs, b)
	}
	c.runs = fixed(runs...)
	return c
}
