package goldentest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
)

// golden is a plan with its weights, and runs with their answers.
type golden struct {
	name    string
	op      model.Op
	weights []weight
	room    model.Room
	build   func(b *model.Builder) model.ID
	runs    []run
}

// weight is a matrix of float32, or where it has blocks of their type.
type weight struct {
	name   string
	cols   int
	x      []float32
	ty     quant.Type
	blocks []byte
}

// run is a batch and its answer.
type run struct {
	model.Batch
	rows   []float32
	tokens []int32
}

// Run tests every op on the backend that open returns.
func Run(t *testing.T, open func() (model.Backend, error)) {
	all := slices.Concat(rowOps(), ropes(), attentions(), convs(), states(), expertOps(), samples())
	for op := range model.NumOps {
		if !slices.ContainsFunc(all, func(g golden) bool { return g.op == op }) {
			t.Errorf("no golden answer of %s", op)
		}
	}
	for _, g := range all {
		t.Run(g.op.String()+"/"+g.name, func(t *testing.T) {
			b, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if err := g.check(b); err != nil {
				t.Error(err)
			}
		})
	}
}

// check runs g on a fresh backend and compares its answers.
func (g *golden) check(b model.Backend) error {
	var w ggufwrite.File
	w.Add("unused", quant.F32, []int{1}, []float32{0})
	for _, m := range g.weights {
		if m.blocks != nil {
			row, _ := m.ty.RowBytes(uint64(m.cols))
			w.Tensors = append(w.Tensors, ggufwrite.Tensor{Name: m.name, Type: m.ty, Dims: []int{m.cols, len(m.blocks) / int(row)}, Data: m.blocks})
			continue
		}
		w.Add(m.name, quant.F32, []int{m.cols, len(m.x) / m.cols}, m.x)
	}
	f, err := loader.FromBytes("golden", w.Bytes())
	if err != nil {
		return err
	}
	defer f.Close()
	builder := model.NewBuilder(f, g.room)
	plan, err := builder.Plan(g.build(builder))
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := b.Load(ctx, f, plan); err != nil {
		return err
	}
	size := model.Size{}
	for i := range g.runs {
		s := g.runs[i].Size(plan)
		size = model.Size{Tokens: max(size.Tokens, s.Tokens), Want: max(size.Want, s.Want)}
	}
	p, err := b.Compile(plan, model.CompileOptions{Size: size, Rows: true})
	if err != nil {
		return err
	}
	var out model.Outputs
	for i := range g.runs {
		r := &g.runs[i]
		if err := p.Run(ctx, &r.Batch, &out); err != nil {
			return fmt.Errorf("run %d: %w", i, err)
		}
		if !slices.EqualFunc(out.Rows, r.rows, near) {
			return fmt.Errorf("run %d: rows %v, want %v", i, out.Rows, r.rows)
		}
		if !slices.Equal(out.Tokens, r.tokens) {
			return fmt.Errorf("run %d: tokens %v, want %v", i, out.Tokens, r.tokens)
		}
	}
	return p.Close()
}

// near allows for a few roundings of float32. NaN stands for a row that means nothing.
func near(got, want float32) bool {
	if want != want || got == want {
		return true
	}
	return math.Abs(float64(got)-float64(want)) <= 2e-6*max(1, math.Abs(float64(want)))
}

// positions is n positions from first on.
func positions(first, n int) (pos []int32) {
	for i := range n {
		pos = append(pos, int32(first+i))
	}
	return pos
}

// alone is a batch of one sequence without memory, from position 0.
func alone(n int, rows ...float32) model.Batch {
	return model.Batch{Rows: rows, Pos: positions(0, n), Seqs: []model.SeqRun{{N: n}}}
}

// receive is a build of one op over received rows and the weight "w".
func receive(cols int, op func(b *model.Builder, x model.ID) model.ID) func(b *model.Builder) model.ID {
	return func(b *model.Builder) model.ID { return op(b, b.Receive("x", cols)) }
}

// rowOps are the ops that know nothing of positions.
func rowOps() []golden {
	count := make([]float32, 70)
	for i := range count {
		count[i] = float32(i + 1)
	}
	wanted := func(b model.Batch, want ...int32) model.Batch {
		b.Want = want
		return b
	}
	return []golden{
		{"ids and rows", model.Embed, []weight{{name: "w", cols: 2, x: []float32{1, 2, 3, 4, 5, 6}}}, model.Room{},
			func(b *model.Builder) model.ID { return b.Embed("y", b.Weight("w", 3, 2)) },
			[]run{{model.Batch{Tokens: []int32{2, -1, 0, -1, 1}, Rows: []float32{10, 20, 30, 40}, Pos: positions(0, 5), Seqs: []model.SeqRun{{N: 5}}},
				[]float32{5, 6, 10, 20, 1, 2, 30, 40, 3, 4}, nil}}},

		{"even", model.RMSNorm, []weight{{name: "w", cols: 2, x: []float32{1, 2}}}, model.Room{},
			receive(2, func(b *model.Builder, x model.ID) model.ID { return b.RMSNorm("y", x, b.Weight("w", 1, 2), 0) }),
			[]run{{alone(3, 3, 4, 3e15, 4e15, -3e-15, 4e-15), // mean of squares 12.5
				[]float32{0.8485281, 2.2627417, 0.8485281, 2.2627417, -0.8485281, 2.2627417}, nil}}},
		{"odd, eps", model.RMSNorm, []weight{{name: "w", cols: 3, x: []float32{1, 1, -2}}}, model.Room{},
			receive(3, func(b *model.Builder, x model.ID) model.ID { return b.RMSNorm("y", x, b.Weight("w", 1, 3), 1) }),
			[]run{{alone(2, 1, 2, 2, 3, 0, 0), []float32{0.5, 1, -2, 1.5, 0, 0}, nil}}}, // means 3 and 3
		{"two heads", model.RMSNorm, []weight{{name: "w", cols: 2, x: []float32{1, 2}}}, model.Room{},
			receive(4, func(b *model.Builder, x model.ID) model.ID { return b.RMSNorm("y", x, b.Weight("w", 1, 2), 0) }),
			[]run{{alone(1, 3, 4, 1, 1), []float32{0.8485281, 2.2627417, 1, 2}, nil}}}, // means 12.5 and 1

		{"weights of their own", model.RMSNorm, []weight{{name: "w", cols: 2, x: []float32{1, 2, 3, 4}}}, model.Room{},
			receive(4, func(b *model.Builder, x model.ID) model.ID { return b.GroupNorm("y", x, b.Vector("w", 4), 2, 0) }),
			[]run{{alone(1, 3, 4, 1, 1), []float32{0.8485281, 2.2627417, 3, 4}, nil}}},
		{"one group of two, and a rest", model.L2Norm, nil, model.Room{},
			receive(5, func(b *model.Builder, x model.ID) model.ID { return b.L2Norm("y", x, 2, 1, 0) }),
			[]run{{alone(2, 3, 4, 5, 6, 7, -6, 8, 0, 0, 1), []float32{0.6, 0.8, 5, 6, 7, -0.6, 0.8, 0, 0, 1}, nil}}},
		{"two groups, eps", model.L2Norm, nil, model.Room{},
			receive(2, func(b *model.Builder, x model.ID) model.ID { return b.L2Norm("y", x, 1, 2, 16) }),
			[]run{{alone(1, 3, 0), []float32{0.6, 0}, nil}}},
		{"two of three", model.Slice, nil, model.Room{},
			receive(6, func(b *model.Builder, x model.ID) model.ID { return b.Slice("y", x, 1, 2, 3) }),
			[]run{{alone(2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), []float32{2, 3, 5, 6, 8, 9, 11, 12}, nil}}},
		{"two heads, no weight", model.RMSNorm, nil, model.Room{},
			receive(4, func(b *model.Builder, x model.ID) model.ID { return b.HeadNorm("y", x, 2, 0) }),
			[]run{{alone(1, 3, 4, 7, 7), []float32{0.8485281, 1.1313708, 1, 1}, nil}}},
		{"about a mean", model.LayerNorm, []weight{{name: "w", cols: 2, x: []float32{1, 2}}}, model.Room{},
			receive(2, func(b *model.Builder, x model.ID) model.ID { return b.LayerNorm("y", x, b.Weight("w", 1, 2), 0) }),
			[]run{{alone(3, 3, 5, -1e6, 1e6, 7, 3), []float32{-1, 2, -1, 2, 1, -2}, nil}}},
		{"two heads about their means", model.LayerNorm, []weight{{name: "w", cols: 4, x: []float32{1, 2, 3, 4}}}, model.Room{},
			receive(4, func(b *model.Builder, x model.ID) model.ID {
				return b.HeadLayerNorm("y", x, b.Weight("w", 1, 4), 2, 0)
			}), []run{{alone(1, 3, 5, -1, 7), []float32{-1, 2, -3, 4}, nil}}},
		{"about a mean, eps", model.LayerNorm, []weight{{name: "w", cols: 3, x: []float32{1, 1, -2}}}, model.Room{},
			receive(3, func(b *model.Builder, x model.ID) model.ID { return b.LayerNorm("y", x, b.Weight("w", 1, 3), 3) }),
			[]run{{alone(2, 11, 11, 11, 10, 10, 10+3*0x1.6a09e668p+0), []float32{0, 0, 0, -0.5345225, -0.5345225, -2.1380899}, nil}}}, // −√2, −√2, 2√2: variance 4, and 3 more

		{"2 × 3", model.MatMul, []weight{{name: "w", cols: 3, x: []float32{1, 2, 3, 4, 5, 6}}}, model.Room{},
			receive(3, func(b *model.Builder, x model.ID) model.ID { return b.MatMul("y", b.Weight("w", 2, 3), x) }),
			[]run{{alone(2, 1, 0, -1, 2, 1, 0), []float32{-2, -2, 4, 13}, nil}, {alone(1, 0, 0, 1), []float32{3, 6}, nil}}},
		{"19 columns", model.MatMul, []weight{{name: "w", cols: 19, x: count[:19]}}, model.Room{},
			receive(19, func(b *model.Builder, x model.ID) model.ID { return b.MatMul("y", b.Weight("w", 1, 19), x) }),
			[]run{{alone(1, count[:19]...), []float32{2470}, nil}}}, // Σ k², k = 1…19
		{"70 rows", model.MatMul, []weight{{name: "w", cols: 1, x: count}}, model.Room{},
			receive(1, func(b *model.Builder, x model.ID) model.ID { return b.MatMul("y", b.Weight("w", 70, 1), x) }),
			[]run{{alone(1, 1), count, nil}}},

		{"scales and minimums", model.MatMul, []weight{q4()}, model.Room{},
			receive(256, func(b *model.Builder, x model.ID) model.ID { return b.MatMul("y", b.Weight("w", 2, 256), x) }),
			// ones: Σ (g+1)·(g+1)·32 − (8−g)·32 and Σ (g+1)·(15−g)·32 − (8−g)·32; then element 33 alone
			[]run{{alone(2, append(slices.Repeat([]float32{1}, 256), one(256, 33)...)...), []float32{32 * (204 - 36), 32 * (372 - 36), 2*2 - 7, 2*14 - 7}, nil}}},
		{"scales of halves", model.MatMul, []weight{q6()}, model.Room{},
			receive(256, func(b *model.Builder, x model.ID) model.ID { return b.MatMul("y", b.Weight("w", 1, 256), x) }),
			// every integer is −32, the scale of elements 16i … 16i + 15 is i + 1
			[]run{{alone(2, append(slices.Repeat([]float32{1}, 256), one(256, 17)...)...), []float32{-32 * 16 * 136, -32 * 2}, nil}}},
		{"minimums of halves", model.MatMul, []weight{q2()}, model.Room{},
			receive(256, func(b *model.Builder, x model.ID) model.ID { return b.MatMul("y", b.Weight("w", 1, 256), x) }),
			// every integer is 1, the scale of elements 16i … 16i + 15 is i, their minimum 15 − i
			[]run{{alone(2, append(slices.Repeat([]float32{1}, 256), one(256, 17)...)...), []float32{0, 1 - 14}, nil}}},

		{"both ends", model.SwiGLU, nil, model.Room{},
			func(b *model.Builder) model.ID {
				x := b.Receive("x", 5)
				return b.SwiGLU("y", x, b.Add("x+x", x, x))
			},
			// x·σ(x)·2x: 2·σ(1), 2·σ(−1), 4²·…: σ(1) = 0.7310586, σ(−1) = 0.2689414
			[]run{{alone(1, 0, 1, -1, 100, -100), []float32{0, 1.4621172, 0.5378828, 20000, 0}, nil}}},

		{"kinds", model.Act, nil, model.Room{},
			receive(4, func(b *model.Builder, x model.ID) model.ID {
				sum := b.Act("silu", x, model.SiLU)
				for f := model.Sigmoid; f <= model.GELU; f++ {
					sum = b.Add(fmt.Sprint("to ", f), sum, b.Act(f.String(), x, f))
				}
				return sum
			}),
			// at 1: 0.7310586 + 0.7310586 + 1.3132617 + 1 + 0.8411920; at −1: −0.2689414 + 0.2689414 +
			// 0.3132617 + 0 − 0.1588080; at 0: 0 + ½ + ln 2; at 10: 9.9995460 + 0.9999546 + 10.0000454 + 100 + 10
			[]run{{alone(1, 1, -1, 0, 10), []float32{4.6165708, 0.1544537, 1.1931472, 130.9995460}, nil}}},
		{"constants", model.Act, nil, model.Room{},
			receive(4, func(b *model.Builder, x model.ID) model.ID {
				return b.Add("y", b.Scale("scaled", x, -2), b.Cap("capped", x, 4))
			}),
			// −2x + 4·tanh(x/4): tanh ¼ = 0.2449187, tanh 10 = 1
			[]run{{alone(2, 1, -1, 0, 40, 40, 0, -1, 1), []float32{-1.0203252, 1.0203252, 0, -76, -76, 0, 1.0203252, -1.0203252}, nil}}},
		{"clamped", model.Act, nil, model.Room{},
			receive(4, func(b *model.Builder, x model.ID) model.ID {
				return b.Mul("y", b.Act("gate", x, model.ClampedGate), b.Act("up", x, model.ClampedUp))
			}),
			// σ(1.702) = 0.8457958, 1·σ·2; −1 + 1 = 0; 7·σ(11.914)·8; −100·σ(−170)·−6
			[]run{{alone(1, 1, -1, 10, -100), []float32{1.6915916, 0, 55.9996252, 0}, nil}}},
		{"rows", model.Add, []weight{{name: "w", cols: 2, x: []float32{2, 0, 0, 3}}}, model.Room{},
			receive(2, func(b *model.Builder, x model.ID) model.ID {
				return b.Add("y", x, b.MatMul("m", b.Weight("w", 2, 2), x))
			}),
			[]run{{alone(2, 1, 10, 2, 20), []float32{3, 40, 6, 80}, nil}}},
		{"bias", model.Add, []weight{{name: "w", cols: 2, x: []float32{0.5, -1}}}, model.Room{},
			receive(2, func(b *model.Builder, x model.ID) model.ID { return b.Add("y", x, b.Weight("w", 1, 2)) }),
			[]run{{alone(2, 1, 10, 2, 20), []float32{1.5, 9, 2.5, 19}, nil}}},
		{"rows", model.Mul, []weight{{name: "w", cols: 2, x: []float32{2, 0, 0, 3}}}, model.Room{},
			receive(2, func(b *model.Builder, x model.ID) model.ID {
				return b.Mul("y", x, b.MatMul("m", b.Weight("w", 2, 2), x))
			}),
			[]run{{alone(2, 1, 10, -2, 20), []float32{2, 300, 8, 1200}, nil}}},

		{"by a vector", model.Mul, []weight{{name: "w", cols: 2, x: []float32{0.5, -1}}}, model.Room{},
			receive(2, func(b *model.Builder, x model.ID) model.ID { return b.Mul("y", x, b.Weight("w", 1, 2)) }),
			[]run{{alone(2, 1, 10, 2, 20), []float32{0.5, -10, 1, -20}, nil}}},
		{"by one", model.Mul, []weight{{name: "w", cols: 1, x: []float32{-0.5}}}, model.Room{},
			receive(2, func(b *model.Builder, x model.ID) model.ID { return b.Mul("y", x, b.Weight("w", 1, 1)) }),
			[]run{{alone(2, 1, 10, 2, 20), []float32{-0.5, -5, -1, -10}, nil}}},

		{"some, all, none", model.Gather, nil, model.Room{},
			receive(2, func(b *model.Builder, x model.ID) model.ID { return b.Gather("y", x) }),
			[]run{
				{wanted(alone(3, 1, 2, 3, 4, 5, 6), 0, 2), []float32{1, 2, 5, 6}, nil},
				{wanted(alone(3, 1, 2, 3, 4, 5, 6), 0, 1, 2), []float32{1, 2, 3, 4, 5, 6}, nil},
				{wanted(alone(3, 1, 2, 3, 4, 5, 6)), nil, nil},
			}},
	}
}

// one is n numbers, all 0 but a 1 at i.
func one(n, i int) []float32 {
	x := make([]float32, n)
	x[i] = 1
	return x
}

// q4 is two rows of a block of Q4_K with d = dmin = 1: group g has scale g+1, minimum 8−g
// and integers g+1 in the first row, 15−g in the second.
func q4() weight {
	w := weight{name: "w", cols: 256, ty: quant.Q4_K}
	for row := range 2 {
		b := make([]byte, 144)
		b[1], b[3] = 0x3c, 0x3c
		for g := range 4 { // groups 0–3 in bytes of their own, 4–7 in nibbles: all are below 16
			b[4+g], b[8+g] = byte(g+1), byte(8-g)
			b[12+g] = byte(g+5) | byte(4-g)<<4
		}
		for g := range 8 {
			q := byte(g + 1)
			if row == 1 {
				q = byte(15 - g)
			}
			for j := range 32 {
				b[16+g/2*32+j] |= q << (4 * (g % 2))
			}
		}
		w.blocks = append(w.blocks, b...)
	}
	return w
}

// q2 is a block of Q2_K with d = dmin = 1, integers 1, scales from 0 to 15 and minimums from
// 15 to 0.
func q2() weight {
	b := make([]byte, 84)
	for i := range 16 {
		b[i] = byte(i | (15-i)<<4)
	}
	for i := range 64 {
		b[16+i] = 0x55
	}
	b[81], b[83] = 0x3c, 0x3c
	return weight{name: "w", cols: 256, ty: quant.Q2_K, blocks: b}
}

// q6 is a block of Q6_K with d = 1, integers −32 and scales from 1 to 16.
func q6() weight {
	b := make([]byte, 210)
	for i := range 16 {
		b[192+i] = byte(i + 1)
	}
	b[209] = 0x3c
	return weight{name: "w", cols: 256, ty: quant.Q6_K, blocks: b}
}
