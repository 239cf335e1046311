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
	"eclat/model/sample"
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
			[]run{{alone(1, 1, -1, 0, 40), []float32{-1.0203252, 1.0203252, 0, -76}, nil}}},
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

// q6 is a block of Q6_K with d = 1, integers −32 and scales from 1 to 16.
func q6() weight {
	b := make([]byte, 210)
	for i := range 16 {
		b[192+i] = byte(i + 1)
	}
	b[209] = 0x3c
	return weight{name: "w", cols: 256, ty: quant.Q6_K, blocks: b}
}

// ropes turn by quarters and halves of a circle.
func ropes() []golden {
	const quarter = math.Pi / 2
	turn := func(cols, headDim, axes int, r model.Rope) func(b *model.Builder) model.ID {
		return func(b *model.Builder) model.ID {
			b.Axes(axes)
			return b.RoPE("y", b.Receive("x", cols), headDim, b.Rope(r))
		}
	}
	two := func(first int32, rows ...float32) model.Batch {
		return model.Batch{Rows: rows, Pos: []int32{first, first + 1}, Seqs: []model.SeqRun{{N: 2}}}
	}
	return []golden{
		{"neighbours, a tail, two heads", model.RoPE, nil, model.Room{},
			turn(8, 4, 1, model.Rope{Freq: []float64{quarter}, Scale: 2}),
			[]run{{two(0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8),
				[]float32{2, 4, 3, 4, 10, 12, 7, 8, -4, 2, 3, 4, -12, 10, 7, 8}, nil}}},
		{"two frequencies", model.RoPE, nil, model.Room{},
			turn(4, 4, 1, model.Rope{Freq: []float64{quarter, 2 * quarter}, Scale: 1}),
			[]run{{two(1, 1, 2, 3, 4, 1, 2, 3, 4), []float32{-2, 1, -3, -4, -1, -2, 3, 4}, nil}}},
		{"halves, a tail", model.RoPE, nil, model.Room{},
			turn(12, 6, 1, model.Rope{Freq: []float64{quarter, 2 * quarter}, Scale: 1, Halves: true}),
			[]run{{model.Batch{Rows: []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, Pos: []int32{1}, Seqs: []model.SeqRun{{N: 1}}},
				[]float32{-3, -2, 1, -4, 5, 6, -9, -8, 7, -10, 11, 12}, nil}}},
		{"axes", model.RoPE, nil, model.Room{},
			turn(4, 4, 3, model.Rope{Freq: []float64{quarter, quarter}, Scale: 1, Axis: []uint8{2, 1}}),
			[]run{{model.Batch{Rows: []float32{1, 2, 3, 4, 1, 2, 3, 4}, Pos: []int32{0, 2, 1, 1, 0, 3}, Seqs: []model.SeqRun{{N: 2}}},
				[]float32{-2, 1, -3, -4, 2, -1, 3, 4}, nil}}},
		{"warm", model.RoPE, nil, model.Room{}, // 2·(1 + ½·ln 1), 2·(1 + ½·ln 2)
			turn(2, 2, 1, model.Rope{Freq: []float64{0}, Scale: 2, Warm: 0.5, Every: 16}),
			[]run{{two(15, 1, 2, 1, 2), []float32{2, 4, 2.6931472, 5.3862944}, nil}}},
		{"far", model.RoPE, nil, model.Room{}, // a million turns and a quarter
			turn(2, 2, 1, model.Rope{Freq: []float64{quarter}, Scale: 1}),
			[]run{{model.Batch{Rows: []float32{1, 2}, Pos: []int32{4000001}, Seqs: []model.SeqRun{{N: 1}}}, []float32{-2, 1}, nil}}},
	}
}

// heads is a shape of attention; a row is q, k and v side by side.
type heads struct{ n, kv, dimK, dimV int }

// attend stores k and v of each row and attends from its q, with a cap where that is not 0
// and with sinks where there are some. A product would round the
// rows, so they come as tables that tokens pick from, and the runs' rows become ids.
func attend(h heads, ty quant.Type, window int, scale, cap float32, sinks []float32, runs []run) (ws []weight, build func(b *model.Builder) model.ID) {
	widths := []int{h.n * h.dimK, h.kv * h.dimK, h.kv * h.dimV}
	for i, n := range widths {
		ws = append(ws, weight{name: string("qkv"[i]), cols: n})
	}
	id := int32(0)
	for r := range runs {
		for rows := runs[r].Rows; len(rows) > 0; id++ {
			for i, n := range widths {
				ws[i].x, rows = append(ws[i].x, rows[:n]...), rows[n:]
			}
			runs[r].Tokens = append(runs[r].Tokens, id)
		}
		runs[r].Rows = nil
	}
	if len(sinks) > 0 {
		ws = append(ws, weight{name: "sinks", cols: len(sinks), x: sinks})
	}
	return ws, func(b *model.Builder) model.ID {
		m := model.Memory{Type: ty, Window: window}
		if window > 0 {
			m.Per = model.Window
		}
		var part [3]model.ID
		for i, n := range widths {
			part[i] = b.Embed(ws[i].name+"_x", b.Weight(ws[i].name, int(id), n))
		}
		m.Name, m.Cols = "keys", widths[1]
		keys := b.Memory(m)
		m.Name, m.Cols = "values", widths[2]
		values := b.Memory(m)
		b.Store(keys, part[1])
		b.Store(values, part[2])
		sunk := model.None
		if len(sinks) > 0 {
			sunk = b.Weight("sinks", 1, len(sinks))
		}
		return b.CappedAttention("y", part[0], keys, values, sunk, h.n, h.kv, scale, cap)
	}
}

// paged is a run of one sequence from position first on, with its block table.
func paged(first, n int, table []int32, rows ...float32) model.Batch {
	return model.Batch{Rows: rows, Pos: positions(first, n), Seqs: []model.SeqRun{{N: n, Units: [][]int32{table}}}}
}

func attentions() (all []golden) {
	add := func(name string, op model.Op, h heads, ty quant.Type, window int, scale float32, room model.Room, runs ...run) {
		ws, build := attend(h, ty, window, scale, 0, nil, runs)
		all = append(all, golden{name, op, ws, room, build, runs})
	}
	const ln3 = 1.0986122886681098

	// A sink of 0 weighs as much as a position whose score is 0, one of ln 3 three times that.
	few := model.Room{Pages: 1, Seqs: 1, Chunk: 2}
	runs := []run{{paged(0, 2, []int32{0}, 0, 0, 0, 4, 0, 0, 0, 8), []float32{2, 1, 4, 12 / 5.0}, nil}}
	ws, build := attend(heads{2, 1, 1, 1}, quant.F16, 0, 1, 0, []float32{0, ln3}, runs)
	all = append(all, golden{"sinks", model.Attention, ws, few, build, runs})
	// Scores far apart that a cap of ln 3 keeps within a factor of nine, and one of half of it:
	// ln 3·tanh ½ = 0.5076876, to the power of e 1.6614451.
	runs = []run{{paged(0, 3, []int32{0}, 0, -1000, 4, 0, 1000, 8, 1, ln3/2, 10), []float32{4, 6, (4/3.0 + 8*3 + 10*1.6614451) / (1/3.0 + 3 + 1.6614451)}, nil}}
	ws, build = attend(heads{1, 1, 1, 1}, quant.F32, 0, 1, ln3, nil, runs)
	all = append(all, golden{"cap", model.Attention, ws, few, build, runs})

	// One position has all the weight, so the answer is the value as memory holds it.
	values := func(first, n int, table []int32, v ...float32) model.Batch {
		return paged(first, n, table, append(make([]float32, 2), v...)...)
	}
	add("f16", model.Store, heads{1, 1, 1, 8}, quant.F16, 0, 1, model.Room{Pages: 2},
		run{values(0, 1, []int32{1}, 1+0x1p-11, 1+3*0x1p-11, 0x1p-24, 0x1p-25, 1e6, -1e6, -0.1, 0x1.8p-25),
			[]float32{1, 1 + 0x1p-9, 0x1p-24, 0, 65504, -65504, -0.0999755859375, 0x1p-24}, nil})
	add("f16, out of range", model.Store, heads{1, 1, 1, 2}, quant.F16, 0, 1, model.Room{Pages: 1},
		run{model.Batch{Rows: []float32{0, 0, 3e38, -3e38}, Pos: positions(0, 1), Seqs: []model.SeqRun{{N: 1, Units: [][]int32{{0}}}}},
			[]float32{65504, -65504}, nil})
	add("f32", model.Store, heads{1, 1, 1, 3}, quant.F32, 0, 1, model.Room{Pages: 1},
		run{values(0, 1, []int32{0}, 0.1, 1e30, -7), []float32{0.1, 1e30, -7}, nil})

	// Two spans of 256 positions: position 256 is the first of its span, and the last token
	// gives position 299 the weight of 3⁸ others.
	var long, want []float32
	var pages []int32
	for t := range 300 {
		q, k, v, mean := float32(0), float32(0), float32(1), float32(1)
		if t == 256 {
			v = 258
		}
		if t >= 256 {
			mean = float32(t+258) / float32(t+1)
		}
		if t == 299 {
			q, k, v, mean = ln3, 8, 101, (298+258+6561*101)/(299+6561.0)
		}
		long, want = append(long, q, k, v), append(want, mean)
		if t%model.PageLen == 0 {
			pages = append(pages, int32(t/model.PageLen))
		}
	}
	add("two spans", model.Attention, heads{1, 1, 1, 1}, quant.F16, 0, 1, model.Room{Pages: len(pages), Seqs: 1, Chunk: 300},
		run{paged(0, 300, pages, long...), want, nil})

	for _, ty := range []quant.Type{quant.F16, quant.F32} {
		one := model.Room{Pages: 3, Seqs: 2, Chunk: 64}
		// Scores 0 and ln 3·2·½ weigh 1 : 3; dimensions of keys and values differ.
		add("softmax "+ty.String(), model.Attention, heads{1, 1, 3, 2}, ty, 0, 0.5, one,
			run{paged(0, 2, []int32{2},
				0, 0, 0 /*q*/, 0, 0, 0 /*k*/, 4, 8, /*v*/
				0, 2*ln3, 0, 5, 1, 5, 8, 0), []float32{4, 8, 7, 2}, nil},
			// In a run of its own, all three key elements: weights 1 : 3 : 9.
			run{paged(2, 1, []int32{2}, ln3, ln3, 2*ln3, 1, 1, 1, 13, 26),
				// scores·½: 0, ln3·(5+1+10)/2 = 8 ln3, ln3·4/2 = 2 ln3 → 1 : 6561 : 9
				[]float32{(4 + 8*6561 + 13*9) / 6571.0, (8 + 26*9) / 6571.0}, nil})
		// All of five key elements count: scores (1+2+3+4+5)·ln 3 / 15 and 0 weigh 3 : 1.
		add("five elements "+ty.String(), model.Attention, heads{1, 1, 5, 1}, ty, 0, ln3/15, one,
			run{paged(0, 2, []int32{1},
				0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 4,
				1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 8), []float32{4, 5}, nil})
		// Four heads on two: heads 0 and 1 read key head 0, heads 2 and 3 key head 1.
		add("grouped "+ty.String(), model.Attention, heads{4, 2, 1, 1}, ty, 0, 1, one,
			run{paged(0, 2, []int32{0},
				0, 0, 0, 0, 0, 0, 4, 40,
				0, ln3, ln3, -ln3, 1, 1, 8, 80), []float32{4, 4, 40, 40, 6, 7, 70, 50}, nil})

		// Zero scores make the answer a mean: of all positions so far, over pages out of order …
		var rows, means []float32
		for i := range 40 {
			rows = append(rows, 0, 0, float32(i))
			means = append(means, float32(i)/2)
		}
		add("pages "+ty.String(), model.Attention, heads{1, 1, 1, 1}, ty, 0, 1, one,
			run{paged(0, 40, []int32{2, 0}, rows...), means, nil},
			run{paged(40, 1, []int32{2, 0}, 0, 0, 61), []float32{21}, nil}) // (780 + 61) / 41 = 20.51…
		all[len(all)-1].runs[1].rows[0] = 841.0 / 41
		// … or of a window of three, whose earlier page is given back.
		windowed := []float32{0, 0.5}
		for i := 2; i < 40; i++ {
			windowed = append(windowed, float32(i-1))
		}
		add("window "+ty.String(), model.Attention, heads{1, 1, 1, 1}, ty, 3, 1, one,
			run{paged(0, 40, []int32{2, 1}, rows...), windowed, nil},
			run{paged(40, 1, []int32{-1, 1}, 0, 0, 43), []float32{(38 + 39 + 43) / 3.0}, nil})
		// Scores whose exponentials are no numbers any more: one position has all the weight.
		add("far scores "+ty.String(), model.Attention, heads{1, 1, 1, 1}, ty, 0, 1, one,
			run{paged(0, 2, []int32{0}, 0, 0, 4, 2000, 1, 8), []float32{4, 8}, nil},
			run{paged(2, 1, []int32{0}, -2000, 1, 9), []float32{4}, nil})
		// Two sequences in one batch see their own positions alone.
		add("sequences "+ty.String(), model.Attention, heads{1, 1, 1, 1}, ty, 0, 1, one,
			run{paged(0, 1, []int32{1}, 0, 0, 100), []float32{100}, nil},
			run{model.Batch{
				Rows: []float32{0, 0, 1, 0, 0, 3, 0, 0, 200}, Pos: []int32{0, 1, 1},
				Seqs: []model.SeqRun{{N: 2, Units: [][]int32{{0}}}, {N: 1, Units: [][]int32{{1}}}},
			}, []float32{1, 2, 150}, nil})
	}
	return all
}

// convs weigh the rows of a sequence by powers of ten, so that the answer shows them.
func convs() []golden {
	build := func(cols, taps int) func(b *model.Builder) model.ID {
		return func(b *model.Builder) model.ID {
			state := b.Memory(model.Memory{Name: "state", Per: model.Sequence, Type: quant.F32, Cols: (taps - 1) * cols})
			return b.Conv("y", b.Receive("x", cols), b.Weight("w", cols, taps), state, model.None, false)
		}
	}
	seq := func(n int, slot int32) model.SeqRun { return model.SeqRun{N: n, Units: [][]int32{{slot}}} }
	var filter, two, answer []float32 // of many channels: x is the channel, and one more
	const many = 70
	for c := range many {
		filter = append(filter, 1, 10)
		two, answer = append(two, float32(c)), append(answer, float32(10*c))
	}
	for c := range many {
		two, answer = append(two, float32(c+1)), append(answer, float32(c+10*(c+1)))
	}
	return []golden{
		{"many channels", model.Conv, []weight{{name: "w", cols: 2, x: filter}}, model.Room{Seqs: 1}, build(many, 2),
			[]run{{model.Batch{Rows: two, Pos: positions(0, 2), Seqs: []model.SeqRun{seq(2, 0)}}, answer, nil}}},
		{"bias and silu", model.Conv, []weight{{name: "w", cols: 2, x: []float32{0.5, 1}}, {name: "b", cols: 1, x: []float32{1}}}, model.Room{Seqs: 1},
			func(b *model.Builder) model.ID {
				state := b.Memory(model.Memory{Name: "state", Per: model.Sequence, Type: quant.F32, Cols: 1})
				return b.Conv("y", b.Receive("x", 1), b.Weight("w", 1, 2), state, b.Weight("b", 1, 1), true)
			}, // silu of 1 + 1, and of −2.5 + ½ + 1
			[]run{{model.Batch{Rows: []float32{1, -2.5}, Pos: positions(0, 2), Seqs: []model.SeqRun{seq(2, 0)}}, []float32{1.7615942, -0.2689414}, nil}}},
		{"three taps", model.Conv, []weight{{name: "w", cols: 3, x: []float32{1, 10, 100, 2, 20, 200}}}, model.Room{Seqs: 2}, build(2, 3),
			[]run{
				{model.Batch{Rows: []float32{1, 5, 2, 6}, Pos: positions(0, 2), Seqs: []model.SeqRun{seq(2, 1)}}, []float32{100, 1000, 210, 1300}, nil},
				{model.Batch{Rows: []float32{3, 7}, Pos: positions(2, 1), Seqs: []model.SeqRun{seq(1, 1)}}, []float32{321, 1530}, nil},
				// another sequence before it; then a new one in its slot, which a start forgets
				{model.Batch{Rows: []float32{9, 9, 4, 8}, Pos: []int32{0, 3}, Seqs: []model.SeqRun{seq(1, 0), seq(1, 1)}}, []float32{900, 1800, 432, 1752}, nil},
				{model.Batch{Rows: []float32{7, 1}, Pos: positions(0, 1), Seqs: []model.SeqRun{seq(1, 1)}}, []float32{700, 200}, nil},
				{model.Batch{Rows: []float32{8, 1}, Pos: positions(1, 1), Seqs: []model.SeqRun{seq(1, 1)}}, []float32{870, 220}, nil},
			}},
		{"four taps, a run longer than they", model.Conv, []weight{{name: "w", cols: 4, x: []float32{1, 10, 100, 1000}}}, model.Room{Seqs: 1}, build(1, 4),
			[]run{
				{model.Batch{Rows: []float32{1, 2, 3, 4, 5}, Pos: positions(0, 5), Seqs: []model.SeqRun{seq(5, 0)}}, []float32{1000, 2100, 3210, 4321, 5432}, nil},
				{model.Batch{Rows: []float32{6, 7}, Pos: positions(5, 2), Seqs: []model.SeqRun{seq(2, 0)}}, []float32{6543, 7654}, nil},
			}},
	}
}

// states are small enough to follow on paper. A row ends with a step and a beta a head.
func states() []golden {
	build := func(op model.Op, s model.State, scale float32, cyclic bool) func(b *model.Builder) model.ID {
		return func(b *model.Builder) model.ID {
			n := 2*s.NHeadK*s.DimK + s.NHead*s.DimV
			x := b.Receive("x", n+2*s.NHead)
			qkv, dt := b.Slice("qkv", x, 0, n, n+2*s.NHead), b.Slice("dt", x, n, s.NHead, n+2*s.NHead)
			memory := b.Memory(model.Memory{Name: "state", Per: model.Sequence, Type: quant.F32, Cols: s.Len()})
			if op == model.Scan {
				return b.Scan("y", qkv, dt, b.Vector("a", s.NHead), b.Vector("d", s.NHead), memory, s)
			}
			return b.DeltaRule("y", qkv, dt, b.Vector("a", s.NHead), b.Slice("beta", x, n+s.NHead, s.NHead, n+2*s.NHead), memory, s, scale, cyclic)
		}
	}
	batch := func(pos, n int, slot int32, rows ...float32) model.Batch {
		return model.Batch{Rows: rows, Pos: positions(pos, n), Seqs: []model.SeqRun{{N: n, Units: [][]int32{{slot}}}}}
	}
	half := []float32{-0.6931472, 0, 0, 0} // a step of 1 halves the first head's state
	four := model.State{NHead: 4, NHeadK: 2, DimK: 1, DimV: 1}
	shared := batch(0, 1, 0, 1, 10, 1, 1, 1, 2, 3, 4, 0, 0, 0, 0, 1, 1, 1, 1)
	return []golden{
		{"one head", model.DeltaRule, []weight{{name: "a", cols: 1, x: half[:1]}}, model.Room{Seqs: 2},
			build(model.DeltaRule, model.State{NHead: 1, NHeadK: 1, DimK: 2, DimV: 1}, 0.5, false),
			[]run{ // q, k, v, dt, beta
				// H = (4, 0), answer 4/2; then (2, 0), of which k reads 1.2, d = (5 − 1.2)/2, H = (3.14, 1.52)
				{batch(0, 2, 1, 1, 0, 1, 0, 4, 0, 1, 1, 2, 0.6, 0.8, 5, 1, 0.5), []float32{2, 3.09}, nil},
				{batch(2, 1, 1, 0, 1, 1, 0, 1, 0, 1), []float32{0.76}, nil}, // H = (1, 1.52)
				{batch(0, 1, 0, 1, 0, 1, 0, 7, 0, 1), []float32{3.5}, nil},  // another sequence
				{batch(3, 1, 1, 0, 1, 1, 0, 1, 0, 0), []float32{0.76}, nil}, // nothing changed
				{batch(0, 1, 1, 1, 1, 0, 1, 3, 5, 1), []float32{1.5}, nil},  // a start forgets: H = (0, 3)
			}},
		{"heads share keys in a row", model.DeltaRule, []weight{{name: "a", cols: 4, x: half}}, model.Room{Seqs: 1},
			build(model.DeltaRule, four, 1, false), []run{{shared, []float32{1, 2, 30, 40}, nil}}},
		{"heads share keys in turn", model.DeltaRule, []weight{{name: "a", cols: 4, x: half}}, model.Room{Seqs: 1},
			build(model.DeltaRule, four, 1, true), []run{{shared, []float32{1, 20, 3, 40}, nil}}},
		{"two heads", model.Scan, []weight{{name: "a", cols: 2, x: half[:2]}, {name: "d", cols: 1, x: []float32{1, 10}}}, model.Room{Seqs: 1},
			build(model.Scan, model.State{NHead: 2, NHeadK: 1, DimK: 2, DimV: 1}, 1, false),
			[]run{ // v, k, q, dt, –. H = (1, 0) and (4, 0), then (½, 1) and (4, 1)
				{batch(0, 2, 0, 1, 2, 1, 0, 1, 1, 1, 2, 0, 0, 1, 1, 0, 1, 2, 1, 1, 1, 0, 0), []float32{2, 24, 3, 19}, nil},
				{batch(2, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0), []float32{0.5, 4}, nil},
				{batch(0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0), []float32{0, 0}, nil},
			}},
	}
}

// expertOps choose experts e that multiply the sum of a row by 10^e, or rows of two
// elements by (e+1) times something.
func expertOps() []golden {
	matrices := weight{name: "w", cols: 4, x: []float32{1, 1, 1, 1, 10, 10, 10, 10, 100, 100, 100, 100, 1000, 1000, 1000, 1000}}
	routed := func(r model.Routing) func(b *model.Builder) model.ID {
		return receive(4, func(b *model.Builder, x model.ID) model.ID {
			bias := model.None
			if r.Groups > 1 {
				bias = b.Weight("bias", 1, 4)
			}
			routes := b.Route("r", x, bias, r)
			return b.Combine("y", b.MatMulExperts("e", b.Weight("w", 4, 4), x, routes, model.None, 4, 0, 1), routes)
		})
	}
	way := func(r model.Routing) model.Routing {
		r.Used, r.Scale, r.Groups, r.GroupsUsed = 2, 1, 1, 1
		return r
	}
	// Experts of (e+1, 0), (0, e+1), (1, 1), by a router that sees x0, x1 and −x0.
	three := []weight{
		{name: "router", cols: 2, x: []float32{1, 0, 0, 1, -1, 0}},
		{name: "w", cols: 2, x: []float32{1, 0, 0, 1, 1, 1, 2, 0, 0, 2, 1, 1, 3, 0, 0, 3, 1, 1}},
		{name: "bias", cols: 3, x: []float32{1, -1, 5, 0.5, 0.25, 6, 0.125, 0, 7}},
	}
	routes := func(b *model.Builder, x model.ID) model.ID {
		return b.Route("r", b.MatMul("logits", b.Weight("router", 3, 2), x), model.None, way(model.Routing{Norm: true}))
	}
	product := func(b *model.Builder, x, r, bias model.ID, first, m int) model.ID {
		return b.MatMulExperts(fmt.Sprint("y", first), b.Weight("w", 9, 2), x, r, bias, 3, first, m)
	}
	return []golden{
		{"softmax of all, normed", model.Route, []weight{matrices}, model.Room{}, routed(way(model.Routing{Norm: true})),
			[]run{{alone(2, 0, 1, 2, 3, 3, 2, 1, 0), []float32{4547.71632, 20.5228368}, nil}}},
		{"softmax of all", model.Route, []weight{matrices}, model.Room{}, routed(way(model.Routing{})),
			[]run{{alone(2, 0, 1, 2, 3, 2, 2, 2, 2), []float32{4005.61525, 22}, nil}}}, // of equals the first
		{"softmax of those chosen", model.Route, []weight{matrices}, model.Room{}, routed(way(model.Routing{Gating: model.SoftmaxChosen})),
			[]run{{alone(1, 0, 1, 2, 3), []float32{4547.71632}, nil}}},
		// 0.73, 2.23 | 2.73, −0.27: the first group has more
		{"sigmoids with a bias, one of two groups", model.Route, []weight{matrices, {name: "bias", cols: 4, x: []float32{0, 1.5, 2, -1}}}, model.Room{},
			routed(model.Routing{Used: 2, Gating: model.SigmoidEach, Scale: 4, Groups: 2, GroupsUsed: 1}),
			[]run{{alone(1, 1, 1, 1, 1), []float32{128.66631}, nil}}},
		{"one row for all experts, with biases", model.MatMulExperts, three, model.Room{}, receive(2, func(b *model.Builder, x model.ID) model.ID {
			return product(b, x, routes(b, x), b.Weight("bias", 3, 3), 0, 2)
		}), []run{{alone(2, 2, 4, -3, 1), []float32{4.5, 8.25, 3, 3, -8.875, 3, -5.5, 2.25}, nil}}},
		{"a row for each expert, of the last rows", model.MatMulExperts, three, model.Room{}, receive(2, func(b *model.Builder, x model.ID) model.ID {
			r := routes(b, x)
			return product(b, product(b, x, r, model.None, 0, 2), r, model.None, 1, 2)
		}), []run{{alone(2, 2, 4, -3, 1), []float32{16, 12, 4, 6, 9, -6, 4, -4}, nil}}},
		{"two rows by their weights", model.Combine, three, model.Room{}, receive(2, func(b *model.Builder, x model.ID) model.ID {
			return b.Combine("y", x, routes(b, x))
		}), []run{{alone(2, 2, 4, -3, 1), []float32{2.23840584, -2.52318831}, nil}}},
	}
}

// samples choose from logits that leave one answer.
func samples() []golden {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	// Equal logits: the number of the seed and the position picks the half.
	half := func(seed uint64, pos uint32) int32 { return int32(sample.Uniform(seed, pos) * 2) }
	even := sample.Params{Temp: 1, Seed: 3}
	batch := func(rows []float32, want []int32, how ...sample.Params) model.Batch {
		return model.Batch{Rows: rows, Pos: positions(7, len(rows)/2), Seqs: []model.SeqRun{{N: len(rows) / 2}}, Want: want, How: how}
	}
	build := receive(2, func(b *model.Builder, x model.ID) model.ID { return b.Sample("token", b.Gather("g", x)) })
	return []golden{
		{"greedy, and not finite", model.Sample, nil, model.Room{}, build, []run{
			{batch([]float32{1, 2, 2, 1, 0, nan, 5, inf, -inf, 5}, []int32{0, 1, 2, 3, 4}, make([]sample.Params, 5)...), nil, []int32{1, 0, -1, -1, -1}},
			{batch([]float32{1, 2, 2, 1, 3, 4}, []int32{1, 2}, make([]sample.Params, 2)...), nil, []int32{0, 1}},
			{batch([]float32{1, 2}, nil), nil, []int32{}},
		}},
		{"by seed and position", model.Sample, nil, model.Room{}, build, []run{
			{batch(make([]float32, 16), []int32{0, 1, 2, 4, 5, 7}, even, even, even, even, even, even), nil,
				[]int32{half(3, 7), half(3, 8), half(3, 9), half(3, 11), half(3, 12), half(3, 14)}},
		}},
		{"logits", model.Sample, nil, model.Room{}, build, []run{
			{batch([]float32{1, 2, 2, 1, 0, inf}, []int32{0, 1, 2}, sample.Params{}, sample.Params{Logits: true}, sample.Params{Logits: true}),
				[]float32{nan, nan, 2, 1, 0, inf}, []int32{1, -1, -1}},
		}},
	}
}
