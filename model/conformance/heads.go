package conformance

import (
	"fmt"
	"math"
	"slices"

	"eclat/loader/quant"
	"eclat/model"
)

// What latent attention is made of: products of each head with a matrix of its own, heads
// that are joined, and attention whose values are the beginnings of its keys.

// headsTest multiplies each head of received rows of heads·cols elements by its own matrix
// (rows, cols). again: and that by another, so that nothing of the first product may be left
// where the second looks.
func headsTest(ty quant.Type, heads, rows, cols, tokens int, again bool) *test {
	c := &test{opts: sized(tokens)}
	c.weight("w", ty, heads*rows, cols)
	c.weight("back", quant.F32, heads*cols, rows)
	c.build = func(b *model.Builder) model.ID {
		y := b.MatMulHeads("y", b.Weight("w", heads*rows, cols), b.Receive("x", heads*cols), heads)
		if again {
			y = b.MatMulHeads("z", b.Weight("back", heads*cols, rows), y, heads)
		}
		return y
	}
	return c
}

// headCases are products by heads, of every type.
func headCases() (cases []*Case) {
	for _, ty := range quant.Decodable() {
		block, _ := ty.Block()
		cols := max(block, 32)
		for _, h := range []struct {
			heads, rows, cols, tokens int
			again                     bool
		}{{3, 33, cols, 65, false}, {16, 24, cols, 9, true}, {1, 40, 2 * cols, 65, false}, {5, 70, cols, 1, true}, {2, 9, cols + 7, 33, true}} {
			if h.cols%block != 0 {
				continue
			}
			c := headsTest(ty, h.heads, h.rows, h.cols, h.tokens, h.again)
			var runs []*model.Batch
			for _, n := range rowCounts {
				if n <= h.tokens {
					runs = append(runs, rowsOnly(0, n, h.heads*h.cols, uint64(n)))
				}
			}
			c.runs = fixed(append(runs, scaled(rowsOnly(0, h.tokens, h.heads*h.cols, 8), 1e5), scaled(rowsOnly(0, h.tokens, h.heads*h.cols, 9), 1e-13))...)
			cases = append(cases, typed(ty, compared("matmul_heads", fmt.Sprintf("%s %d heads, %d×%d, %d rows", ty, h.heads, h.rows, h.cols, h.tokens), LimitQuant, c)))
		}
		// A row that has left the numbers leaves the rows beside it alone.
		c := headsTest(ty, 4, 40, 2*cols, 33, false)
		b := rowsOnly(0, 33, 4*2*cols, 9)
		for h := range 4 {
			b.Rows[(4*4+h)*2*cols+17] = nan
		}
		c.runs = fixed(b)
		cases = append(cases, typed(ty, besideNaN("matmul_heads", ty.String()+" beside NaN", LimitQuant, 4, c)))
	}
	for _, h := range []struct{ heads, a, b int }{{1, 1, 1}, {1, 512, 64}, {4, 24, 8}, {3, 5, 7}, {16, 128, 64}} {
		for _, shared := range []bool{false, true} {
			if shared && h.heads == 1 {
				continue
			}
			c := joinTest(h.heads, h.a, h.b, shared)
			var runs []*model.Batch
			for _, want := range [][]int32{{6}, {0, 3, 5}, {}} {
				b := rowsOnly(0, 7, h.heads*(h.a+h.b), 3)
				b.Want = want
				runs = append(runs, b)
			}
			c.runs = fixed(runs...)
			name := fmt.Sprintf("%d heads of %d and %d", h.heads, h.a, h.b)
			if shared {
				name += " for all"
			}
			cases = append(cases, compared("join", name, LimitExact, c))
		}
	}
	return cases
}

// joinTest takes received rows apart and joins the parts, those of token rows and of wanted ones;
// shared: one part for all heads.
func joinTest(heads, a, n int, shared bool) *test {
	c := &test{opts: sized(7)}
	c.weight("unused", quant.F32, 1, 1)
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", heads*(a+n))
		first, stride := 0, a+n
		if shared {
			first, stride = 1, heads*(a+n)
		}
		y := b.Slice("second", x, first, n, stride)
		y = b.Join("joined", b.Slice("first", x, n, a, a+n), y, heads, n)
		y = b.Gather("wanted", y)
		return b.Join("again", y, y, heads, a+n)
	}
	return c
}

// latentTest stores keys, projected from hidden rows of 32, in memory of a kind, and attends
// to the first dimV elements of each as its value.
func latentTest(h heads, m model.Memory, tokens int) *test {
	const cols = 32
	c := &test{opts: sized(tokens), room: model.Room{Chunk: tokens, Seqs: 1}}
	c.weight("attn_q.weight", quant.F32, h.nHead*h.dimK, cols)
	c.weight("attn_k.weight", quant.F32, h.nHeadKV*h.dimK, cols)
	m.Name, m.Cols = "k_cache", h.nHeadKV*h.dimK
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", cols)
		keys := b.Memory(m)
		q := b.MatMul("q", b.Weight("attn_q.weight", h.nHead*h.dimK, cols), x)
		b.Store(keys, b.MatMul("k", b.Weight("attn_k.weight", h.nHeadKV*h.dimK, cols), x))
		return b.LatentAttention("a", q, keys, h.nHead, h.nHeadKV, h.dimV, float32(1/math.Sqrt(float64(h.dimK))))
	}
	return c
}

// latent fills contexts of awkward lengths: over the edges of pages and of spans, in batches
// and token by token, through a window, and where a product alone reads the answers.
func latent() (cases []*Case) {
	window := model.Memory{Per: model.Window, Window: 70, Type: quant.F16}
	for _, h := range []heads{{4, 1, 40, 32}, {8, 1, 72, 64}, {4, 1, 96, 64}, {2, 1, 576, 512}, {6, 2, 30, 20}, {3, 1, 16, 16}} {
		kinds := []model.Memory{halves, floats, window}
		if h.dimK%32 == 0 && h.dimV%32 == 0 {
			kinds = append(kinds, model.Memory{Per: model.Position, Type: quant.Q8_0}, model.Memory{Per: model.Window, Window: 70, Type: quant.Q4_0})
		}
		if h.dimK > 500 {
			kinds = kinds[:1] // it takes the reference seconds
		}
		for _, m := range kinds {
			for _, product := range []bool{false, true} {
				if product && h.dimV%32 != 0 {
					continue
				}
				c := latentTest(h, m, 65)
				c.room.Pages = model.Pages(400)
				if product {
					c.toProduct(h.nHead * h.dimV)
				}
				c.runs = acted(func(c *cast) []*model.Batch { return c.alone(0, 1, 1, 29, 1, 1, 64, 9, 65, 65, 65, 1, 1) })
				name := fmt.Sprintf("latent, %d÷%d heads of %d,%d in %s", h.nHead, h.nHeadKV, h.dimK, h.dimV, m.Type)
				if m.Window > 0 {
					name += " window"
				}
				if product {
					name += " to a product"
				}
				cases = append(cases, compared("attention", name, LimitQuant, c))
			}
		}
	}
	for _, m := range []model.Memory{halves, floats} {
		c := latentTest(heads{4, 1, 72, 64}, m, 40)
		c.room.Pages, c.room.Seqs = 8, 2
		c.runs = acted(func(c *cast) (runs []*model.Batch) { // what others have left is NaN
			c.load = func(row []float32, seq, pos int) {
				if seq < 2 {
					row[0] = nan
				}
			}
			runs = append(c.alone(0, 40), c.alone(1, 40)...)
			c.leave(0)
			c.leave(1)
			for _, t := range [][]turn{{{2, 1}}, {{2, 1}, {3, 7}}, {{3, 1}, {2, 30}}, {{2, 5}, {3, 32}}} {
				runs = append(runs, c.batch(t...))
			}
			return runs
		})
		cases = append(cases, finiteAfter("latent, over old NaN in "+m.Type.String(), 2, c))
	}
	return cases
}

// HeadsQuestion names the question of products by heads, of kernels that take one column
// or several.
func HeadsQuestion(several bool) string {
	if several {
		return "matmul_heads, several rows"
	}
	return "matmul_heads"
}

func headsQuestion(several bool) *test {
	n := 1
	if several {
		n = 9
	}
	c := headsTest(quant.F32, 70, 9, 33, n, true)
	c.runs = fixed(rowsOnly(0, n, 70*33, 1), rowsOnly(0, max(1, n-2), 70*33, 2))
	return c
}

func joinQuestion() *test {
	c := joinTest(5, 33, 40, true)
	a, b := rowsOnly(0, 5, 5*73, 1), rowsOnly(0, 4, 5*73, 2)
	a.Want, b.Want = []int32{0, 2, 4}, []int32{1, 3}
	c.runs = fixed(a, b)
	return c
}

// LatentQuestion names the question of attention whose values are the beginnings of its
// keys; many: of prompts.
func LatentQuestion(many bool, ty quant.Type) string {
	name := "attention, latent, in " + ty.String()
	if many {
		name += ", many"
	}
	return name
}

func latentQuestion(many bool, ty quant.Type) *test {
	n, lengths := 15, slices.Repeat([]int{15}, 18) // beyond the first span of 256 positions
	if many {
		n, lengths = 96, []int{40, 96, 96, 40}
	}
	c := latentTest(heads{2, 1, 576, 512}, model.Memory{Per: model.Position, Type: ty}, n)
	c.room.Seqs, c.room.Pages = 2, 12
	c.runs = acted(func(c *cast) []*model.Batch {
		runs := c.alone(0, lengths...)
		c.leave(0) // its pages are another's
		return append(runs, c.alone(1, n-1, 1)...)
	})
	return c
}
