package conformance

import (
	"fmt"

	"eclat/loader/quant"
	"eclat/model"
)

// Form is what follows a product and may be part of its kernel.
type Form string

const (
	Plain    Form = ""
	Residual Form = ", residual"
	Bias     Form = ", bias"
	GLU      Form = ", glu"
)

// productOuts is the rows of the weight of toProduct.
const productOuts = 40

// toProduct makes a product the only reader of a question's rows of cols elements, whole
// blocks: backends may round such rows at once, in the form that the product takes. Its
// weight is large, so that what should have been flushed is seen.
func (c *test) toProduct(cols int) {
	c.tensor("to", quant.Q4_0, productOuts, cols, values(5, productOuts*cols, 1e4))
	rows := c.build
	c.build = func(b *model.Builder) model.ID {
		return b.MatMul("product", b.Weight("to", productOuts, cols), rows(b))
	}
}

// productRows are the rows of x of questions about products: of kernels for one, two,
// four and eight rows, and of those for many.
var productRows = []int{1, 2, 3, 9, 65}

// ProductQuestion names the question of a product with a weight, for the class of kernels
// that take as many rows of x as n; tail: the rows of W are not whole pieces.
func ProductQuestion(ty quant.Type, n int, form Form, tail bool) string {
	name := fmt.Sprintf("matmul %s, %d rows%s", ty, n, form)
	if tail {
		name += ", tail"
	}
	return name
}

func productQuestion(ty quant.Type, n int, form Form, tail bool) *test {
	const rows = 70
	cols := 512
	if tail {
		cols = 67
	}
	c := matmulTest(rows, cols, n)
	c.weight("w", ty, rows, cols)
	c.weight("bias", quant.F32, 1, rows)
	c.weight("w2", ty, rows, cols)
	c.weight("norm", quant.F32, 1, rows)
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", cols)
		product := func(name, w string) model.ID { return b.MatMul(name, b.Weight(w, rows, cols), x) }
		switch form {
		case Residual: // what is added has to be there before the product
			z := b.RMSNorm("z", product("y2", "w2"), b.Weight("norm", 1, rows), 1e-5)
			return b.Add("y", product("y1", "w"), z)
		case Bias:
			return b.Add("y", product("y1", "w"), b.Weight("bias", 1, rows))
		case GLU:
			return b.SwiGLU("y", product("gate", "w"), product("up", "w2"))
		}
		return product("y", "w")
	}
	runs := []*model.Batch{
		rowsOnly(0, n, cols, 1), scaled(rowsOnly(0, n, cols, 2), 1e5), tiny(rowsOnly(0, n, cols, 3)),
		rowsOnly(0, max(1, n-1), cols, 4), rowsOnly(0, n, cols, 5),
	}
	runs[4].Rows[(n-1)*cols+17] = nan
	c.runs = fixed(runs...)
	return c
}

// tiny makes the rows of a batch as small as normal numbers are: results become smaller,
// but what goes in is nowhere taken for zero.
func tiny(b *model.Batch) *model.Batch {
	for i, x := range b.Rows {
		if x *= 1e-37; x < 0x1p-126 && x > -0x1p-126 {
			x = 0
		}
		b.Rows[i] = x
	}
	return b
}

// EmbedQuestion names the question of rows looked up in a table, with rows that tokens
// bring among them where given.
func EmbedQuestion(ty quant.Type, given bool) string {
	if given {
		return fmt.Sprintf("embed %s, given", ty)
	}
	return fmt.Sprintf("embed %s", ty)
}

func embedQuestion(ty quant.Type, given bool) *test {
	const vocab, cols = 77, 512
	c := &test{opts: sized(9)}
	c.opts.Rows = given
	c.weight("w", ty, vocab, cols)
	c.build = func(b *model.Builder) model.ID { return b.Embed("x", b.Weight("w", vocab, cols)) }
	var runs []*model.Batch
	for _, n := range []int{9, 8} {
		b := rowsOnly(0, n, cols, uint64(n))
		rows := 0
		for i := range n {
			id := int32((i*19 + 76 + n) % vocab)
			if given && i%2 == 1 {
				id, rows = -1, rows+1
			}
			b.Tokens = append(b.Tokens, id)
		}
		b.Rows = b.Rows[:rows*cols]
		runs = append(runs, b)
	}
	c.runs = fixed(runs...)
	return c
}
