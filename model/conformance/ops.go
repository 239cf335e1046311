package conformance

import (
	"fmt"
	"math"
	"slices"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

// rowCounts are tokens in one run: one, the small batches, around a tile's edge, many.
var rowCounts = []int{1, 2, 3, 8, 9, 64, 65}

// sized is the options of a program of up to n tokens.
func sized(n int) model.CompileOptions {
	return model.CompileOptions{Size: model.Size{Tokens: n, Want: n}}
}

// embed looks up ids of every type, with rows among them.
func embed() (cases []*Case) {
	for _, ty := range quant.Decodable() {
		const vocab, cols = 77, 512
		c := &test{opts: sized(9)}
		c.opts.Rows = true
		c.weight("w", ty, vocab, cols)
		c.build = func(b *model.Builder) model.ID { return b.Embed("x", b.Weight("w", vocab, cols)) }
		var runs []*model.Batch
		for _, n := range []int{1, 9} {
			for _, every := range []int{0, 1, 2, 3} { // all ids, all rows, every second, every third a row
				b := rowsOnly(0, n, cols, uint64(n+every))
				rows := 0
				for i := range n {
					id := int32((i*19 + 76) % vocab)
					if every > 0 && (i+1)%every == 0 {
						id = -1
						rows++
					}
					b.Tokens = append(b.Tokens, id)
				}
				b.Rows = b.Rows[:rows*cols]
				if n > 1 && every == 1 {
					scaled(b, 1e-12) // partly flushed
				}
				runs = append(runs, b)
			}
		}
		c.runs = fixed(runs...)
		cases = append(cases, typed(ty, compared("embed", ty.String(), LimitExact, c)))
	}
	return cases
}

// vectors are norms and biases: of awkward widths, small and large, and of every type.
func vectors() (cases []*Case) {
	norm := func(b *model.Builder, w, x model.ID) model.ID { return b.RMSNorm("y", x, w, 1e-5) }
	bias := func(b *model.Builder, w, x model.ID) model.ID { return b.Add("y", x, w) }
	vector := func(op string, ty quant.Type, cols int, large float32, step func(b *model.Builder, w, x model.ID) model.ID) {
		c := &test{opts: sized(5)}
		c.weight("w", ty, 1, cols)
		c.build = func(b *model.Builder) model.ID {
			return step(b, b.Weight("w", 1, cols), b.Receive("x", cols))
		}
		c.runs = fixed(scaled(rowsOnly(0, 5, cols, 1), large), scaled(rowsOnly(5, 1, cols, 2), large))
		cases = append(cases, typed(ty, compared(op, fmt.Sprintf("%s vector of %d, size %g", ty, cols, large), LimitExact, c)))
	}
	factor := func(b *model.Builder, w, x model.ID) model.ID { return b.Mul("y", x, w) }
	layer := func(b *model.Builder, w, x model.ID) model.ID { return b.LayerNorm("y", x, w, 1e-5) }
	for _, cols := range []int{1, 7, 64, 257, 5120} {
		for _, large := range []float32{1, 1e5, 1e-6, 1e15} {
			vector("rmsnorm", quant.F32, cols, large, norm)
			vector("layernorm", quant.F32, cols, large, layer)
		}
		vector("add", quant.F32, cols, 1, bias)
		vector("mul", quant.F32, cols, 1, factor)
		vector("mul", quant.F32, cols, 1e-12, factor)
	}
	for _, ty := range []quant.Type{quant.F32, quant.F16} {
		c := &test{opts: sized(5)}
		c.weight("w", ty, 1, 1)
		c.build = func(b *model.Builder) model.ID { return b.Mul("y", b.Receive("x", 100), b.Weight("w", 1, 1)) }
		c.runs = fixed(rowsOnly(0, 5, 100, 1), scaled(rowsOnly(5, 1, 100, 2), 1e-12))
		cases = append(cases, typed(ty, compared("mul", "one element of "+ty.String(), LimitExact, c)))
	}
	for _, h := range []struct{ heads, group int }{{2, 1}, {3, 7}, {8, 64}, {5, 80}, {4, 128}, {2, 2048}} {
		c := &test{opts: sized(5)}
		c.weight("w", quant.F32, 1, h.group)
		c.build = func(b *model.Builder) model.ID {
			return norm(b, b.Weight("w", 1, h.group), b.Receive("x", h.heads*h.group))
		}
		c.runs = fixed(rowsOnly(0, 5, h.heads*h.group, 1), rowsOnly(5, 1, h.heads*h.group, 2))
		cases = append(cases, typed(quant.F32, compared("rmsnorm", fmt.Sprintf("%d groups of %d", h.heads, h.group), LimitExact, c)))
		bare := *c
		bare.build = func(b *model.Builder) model.ID {
			return b.HeadNorm("y", b.Receive("x", h.heads*h.group), h.group, 1e-5)
		}
		cases = append(cases, compared("rmsnorm", fmt.Sprintf("%d groups of %d without a weight", h.heads, h.group), LimitExact, &bare))
		for _, own := range []int{1, h.heads} {
			c := &test{opts: sized(5), runs: c.runs}
			c.weight("own", quant.F32, 1, own*h.group)
			c.build = func(b *model.Builder) model.ID {
				return b.HeadLayerNorm("y", b.Receive("x", h.heads*h.group), b.Weight("own", 1, own*h.group), h.group, 1e-5)
			}
			cases = append(cases, compared("layernorm", fmt.Sprintf("%d groups of %d, %d of weights", h.heads, h.group, own), LimitExact, c))
		}
	}
	for _, ty := range quant.Decodable() {
		if ty != quant.F32 {
			vector("rmsnorm", ty, 512, 1, norm)
			vector("layernorm", ty, 512, 1, layer)
			vector("add", ty, 512, 1, bias)
			vector("mul", ty, 512, 1, factor)
		}
	}
	return cases
}

// matmulTest is a product with a weight w of rows × cols, in programs of up to tokens.
func matmulTest(rows, cols, tokens int) *test {
	c := &test{opts: sized(tokens)}
	c.build = func(b *model.Builder) model.ID {
		return b.MatMul("y", b.Weight("w", rows, cols), b.Receive("x", cols))
	}
	return c
}

// matmul runs every type over every row count, with short and long rows, tails in
// the number of weight rows, and sums beyond f16's range.
func matmul() (cases []*Case) {
	for _, ty := range quant.Decodable() {
		block, _ := ty.Block()
		limit := LimitQuant
		if ty == quant.F32 {
			limit = LimitExact
		}
		add := func(name string, c *test) {
			cases = append(cases, typed(ty, compared("matmul", ty.String()+" "+name, limit, c)))
		}
		for _, shape := range []struct{ rows, cols int }{{1, 1}, {3, 2}, {33, 1}, {70, 5}, {256, 4}, {1031, 1}} {
			cols := shape.cols * max(block, 256)
			if block == 1 && shape.cols == 5 {
				cols += 3 // a tail only unblocked types can have
			}
			name := fmt.Sprintf("%d×%d", shape.rows, cols)
			c := matmulTest(shape.rows, cols, 65)
			c.weight("w", ty, shape.rows, cols)
			var runs []*model.Batch
			for _, n := range rowCounts {
				runs = append(runs, rowsOnly(0, n, cols, uint64(n)))
			}
			c.runs = fixed(runs...)
			add(name, c)
			// A program for one row only may use other kernels than a part of a larger one.
			c = matmulTest(shape.rows, cols, 1)
			c.weight("w", ty, shape.rows, cols)
			c.runs = fixed(rowsOnly(0, 1, cols, 5), scaled(rowsOnly(0, 1, cols, 6), 1e-13)) // the second partly flushed
			add(name+" one row", c)
		}
		if block > 1 { // rows of one block, and of an odd number of blocks
			for _, blocks := range []int{1, 3} {
				c := matmulTest(37, blocks*block, 9)
				c.weight("w", ty, 37, blocks*block)
				c.runs = fixed(rowsOnly(0, 1, blocks*block, 1), rowsOnly(0, 9, blocks*block, 2))
				add(fmt.Sprintf("37×%d", blocks*block), c)
			}
			c := matmulTest(40, 1024, 9)
			c.anyBits("w", ty, 40, 1024)
			c.runs = fixed(rowsOnly(0, 1, 1024, 7), rowsOnly(0, 9, 1024, 8))
			add("any bits", c)
		}
		c := matmulTest(40, 512, 2)
		c.weight("w", ty, 40, 512)
		large := rowsOnly(0, 2, 512, 6)
		for i := range large.Rows { // sums near 1e7, far above 65504
			large.Rows[i] = float32(math.Abs(float64(large.Rows[i]))) * 1e5
		}
		c.runs = fixed(large)
		add("large", c)

		// A row that has left the numbers leaves the rows beside it alone.
		c = matmulTest(40, 512, 9)
		c.weight("w", ty, 40, 512)
		var runs []*model.Batch
		for _, bad := range []float32{nan, inf, -inf} {
			b := rowsOnly(0, 9, 512, 9)
			b.Rows[4*512+17] = bad
			runs = append(runs, b)
		}
		c.runs = fixed(runs...)
		cases = append(cases, typed(ty, besideNaN("matmul", ty.String()+" beside NaN", limit, 4, c)))
	}
	return cases
}

// besideNaN compares all rows but one, which must not be finite on either backend.
func besideNaN(op, name string, limit float64, bad int, c *test) *Case {
	return looked(op, name, limit, c.answers, func(want, got []answer) error {
		for i := range want {
			for _, a := range []*answer{&want[i], &got[i]} {
				row := a.row(bad)
				for j := range row {
					if sample.Finite(row[j:][:1]) {
						return fmt.Errorf("run %d: element %d of the row with a number gone is %g", i, j, row[j])
					}
				}
				a.rows = slices.Delete(a.rows, bad*a.cols, (bad+1)*a.cols)
			}
		}
		return nil
	})
}

// rope turns heads by near and far positions: neighbours and halves, part of a head,
// and several positions a token.
func rope() (cases []*Case) {
	for _, c := range []struct {
		heads, headDim, dims int
		base                 float64
		scale                float32
		axes                 int
		warm                 float64
	}{
		{4, 128, 128, 1e9, 1, 1, 0}, {3, 64, 64, 10000, 1, 1, 0}, {2, 80, 32, 1e6, 1.25, 1, 0}, {1, 2, 2, 100, 1, 1, 0},
		{5, 96, 96, 5e5, 0.9, 1, 0}, {2, 64, 48, 10000, 1, 3, 0}, {1, 128, 128, 1e6, 1, 4, 0}, {3, 64, 64, 1e4, 1, 1, 0.4},
	} {
		for _, halves := range []bool{false, true} {
			cols := c.heads * c.headDim
			x := &test{opts: sized(6)}
			x.weight("unused", quant.F32, 1, 1)
			x.build = func(b *model.Builder) model.ID {
				r := model.Rope{Scale: c.scale, Halves: halves, Warm: c.warm, Every: 16}
				for j := range c.dims / 2 {
					r.Freq = append(r.Freq, math.Pow(c.base, -2*float64(j)/float64(c.dims)))
					if c.axes > 1 {
						r.Axis = append(r.Axis, uint8((j*j+j/3)%c.axes))
					}
				}
				b.Axes(c.axes)
				b.Rope(model.Rope{Freq: []float64{0.3}, Scale: 2}) // another table before
				return b.RoPE("y", b.Receive("x", cols), c.headDim, b.Rope(r))
			}
			var runs []*model.Batch
			for _, pos := range []int{0, 1, 31, 4095, 131066} {
				b := rowsOnly(pos, 6, cols, uint64(pos))
				if c.axes > 1 {
					first := b.Pos
					b.Pos = nil
					for i, p := range first {
						b.Pos = append(b.Pos, p)
						for a := 1; a < c.axes; a++ {
							b.Pos = append(b.Pos, int32((i*37+a*pos/2+5)%1000)) // in no order
						}
					}
				}
				runs = append(runs, b)
			}
			x.runs = fixed(runs...)
			name := fmt.Sprintf("%d heads, %d of %d", c.heads, c.dims, c.headDim)
			if halves {
				name += ", halves"
			}
			if c.axes > 1 {
				name += fmt.Sprintf(", %d axes", c.axes)
			}
			if c.warm != 0 {
				name += ", warm"
			}
			cases = append(cases, compared("rope", name, LimitExact, x))
		}
	}
	return cases
}

// parts takes the rows of one weight, and the elements of one bias, as weights of their own.
func parts() (cases []*Case) {
	for _, ty := range []quant.Type{quant.F32, quant.F16, quant.Q8_0, quant.Q4_0, quant.Q4_K, quant.Q6_K} {
		const rows, cols, first, n = 150, 512, 37, 50
		c := &test{opts: sized(17)}
		c.weight("w", ty, rows, cols)
		c.weight("bias", quant.F32, 1, rows)
		c.build = func(b *model.Builder) model.ID {
			x := b.Receive("x", cols)
			part := func(name string, first, n int) model.ID {
				return b.Add(name+"+bias", b.MatMul(name, b.RowsOf("w", rows, cols, first, n), x), b.ElementsOf("bias", rows, first, n))
			}
			y := b.Add("y", part("one", first, n), b.MatMul("other", b.RowsOf("w", rows, cols, 0, n), x))
			half := func(name string, first int) model.ID { return b.MatMul(name, b.RowsOf("w", rows, cols, first, n), x) }
			return b.Add("z", y, b.SwiGLU("glu", half("gate", n), half("up", 2*n)))
		}
		c.runs = fixed(rowsOnly(0, 1, cols, 1), rowsOnly(0, 17, cols, 2))
		cases = append(cases, typed(ty, compared("matmul", "parts of a weight of "+ty.String(), LimitQuant, c)))
	}
	return cases
}

// elementwise covers the ops that see one element, or one row, at a time.
func elementwise() (cases []*Case) {
	for _, cols := range []int{1, 100, 256, 1000} {
		other := func(b *model.Builder, x model.ID) model.ID {
			return b.RMSNorm("n", x, b.Weight("w", 1, cols), 1e-5)
		}
		for _, op := range []struct {
			name  string
			build func(b *model.Builder, x model.ID) model.ID
		}{
			{"swiglu", func(b *model.Builder, x model.ID) model.ID { return b.SwiGLU("y", x, other(b, x)) }},
			{"act", func(b *model.Builder, x model.ID) model.ID { return b.Act("y", x, model.SiLU) }},
			{"act", func(b *model.Builder, x model.ID) model.ID { return b.Act("y", x, model.Sigmoid) }},
			{"act", func(b *model.Builder, x model.ID) model.ID { return b.Act("y", x, model.Softplus) }},
			{"act", func(b *model.Builder, x model.ID) model.ID { return b.Act("y", x, model.ReLU2) }},
			{"act", func(b *model.Builder, x model.ID) model.ID { return b.Act("y", x, model.GELU) }},
			{"act", func(b *model.Builder, x model.ID) model.ID { return b.Scale("y", x, -0.37) }},
			{"act", func(b *model.Builder, x model.ID) model.ID { return b.Cap("y", x, 30) }},
			{"act", func(b *model.Builder, x model.ID) model.ID { return b.Act("y", x, model.ClampedGate) }},
			{"act", func(b *model.Builder, x model.ID) model.ID { return b.Act("y", x, model.ClampedUp) }},
			{"add", func(b *model.Builder, x model.ID) model.ID { return b.Add("y", x, other(b, x)) }},
			{"mul", func(b *model.Builder, x model.ID) model.ID { return b.Mul("y", x, other(b, x)) }},
			{"mul", func(b *model.Builder, x model.ID) model.ID { return b.Mul("y", x, x) }},
			{"gather", func(b *model.Builder, x model.ID) model.ID { return b.Gather("y", x) }},
			{"gather", func(b *model.Builder, x model.ID) model.ID { // what follows has the wanted rows
				return b.Add("z", b.Gather("y", other(b, x)), b.Gather("y2", x))
			}},
		} {
			c := &test{opts: sized(7), build: func(b *model.Builder) model.ID { return op.build(b, b.Receive("x", cols)) }}
			c.weight("w", quant.F32, 1, cols)
			var runs []*model.Batch
			for _, want := range [][]int32{{6}, {0, 3, 5}, {0, 1, 2, 3, 4, 5, 6}, {}} {
				b := rowsOnly(0, 7, cols, 3)
				for i := range b.Rows { // silu's far ends too
					b.Rows[i] *= float32(1 + i%90)
				}
				b.Want = want
				runs = append(runs, b)
			}
			c.runs = fixed(runs...)
			name := fmt.Sprint(cols)
			for slices.ContainsFunc(cases, func(old *Case) bool { return old.Op == op.name && old.Name == name }) {
				name += " again"
			}
			cases = append(cases, compared(op.name, name, LimitExact, c))
		}
	}
	return cases
}
