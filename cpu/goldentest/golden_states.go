package goldentest

import (
	"fmt"
	"math"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

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
			return b.Combine("y", b.MatMulExperts("e", b.Weight("w", 4, 4), x, routes, model.None, 4, 0, 1), routes, model.None)
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
	// 70 rows of an expert, whose row j takes the second element 100·e + j times.
	tall := []weight{three[0], {name: "w", cols: 2}}
	var second, first []float32 // experts of a row (2, 4), in the order of choice
	for i := range 210 {
		tall[1].x = append(tall[1].x, 0, float32(i/70*100+i%70))
	}
	for j := range 70 {
		second, first = append(second, float32(4*(100+j))), append(first, float32(4*j))
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
		{"70 rows", model.MatMulExperts, tall, model.Room{}, receive(2, func(b *model.Builder, x model.ID) model.ID {
			return b.MatMulExperts("y", b.Weight("w", 210, 2), x, routes(b, x), model.None, 3, 0, 70)
		}), []run{{alone(1, 2, 4), append(second, first...), nil}}},
		{"a row for each expert, of the last rows", model.MatMulExperts, three, model.Room{}, receive(2, func(b *model.Builder, x model.ID) model.ID {
			r := routes(b, x)
			return product(b, product(b, x, r, model.None, 0, 2), r, model.None, 1, 2)
		}), []run{{alone(2, 2, 4, -3, 1), []float32{16, 12, 4, 6, 9, -6, 4, -4}, nil}}},
		{"parts by the factors of their experts", model.Mul, append(three[:1:1], weight{name: "f", cols: 3, x: []float32{10, 100, -2}}), model.Room{},
			receive(2, func(b *model.Builder, x model.ID) model.ID {
				return b.MulExperts("y", x, b.Weight("f", 1, 3), routes(b, x))
			}),
			[]run{{alone(2, 2, 4, -3, 1), []float32{200, 40, 6, 100}, nil}}},
		{"each head by a matrix", model.MatMulHeads, []weight{{name: "w", cols: 2, x: []float32{1, 0, 0, 1, 1, 1, 2, 0, 0, 2, 1, -1}}}, model.Room{},
			receive(4, func(b *model.Builder, x model.ID) model.ID { return b.MatMulHeads("y", b.Weight("w", 6, 2), x, 2) }),
			[]run{{alone(2, 1, 2, 3, 4, -1, 0.5, 0, 8), []float32{1, 2, 3, 6, 8, -1, -1, 0.5, -0.5, 0, 16, -8}, nil}}},
		{"head by head", model.Join, nil, model.Room{}, receive(6, func(b *model.Builder, x model.ID) model.ID {
			return b.Join("y", b.Slice("a", x, 0, 4, 6), b.Slice("b", x, 4, 2, 6), 2, 1)
		}), []run{{alone(2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), []float32{1, 2, 5, 3, 4, 6, 7, 8, 11, 9, 10, 12}, nil}}},
		{"one for all heads", model.Join, nil, model.Room{}, receive(6, func(b *model.Builder, x model.ID) model.ID {
			return b.Join("y", b.Slice("a", x, 0, 4, 6), b.Slice("b", x, 4, 2, 6), 2, 2)
		}), []run{{alone(1, 1, 2, 3, 4, 5, 6), []float32{1, 2, 5, 6, 3, 4, 5, 6}, nil}}},
		{"two rows by their weights", model.Combine, three, model.Room{}, receive(2, func(b *model.Builder, x model.ID) model.ID {
			return b.Combine("y", x, routes(b, x), model.None)
		}), []run{{alone(2, 2, 4, -3, 1), []float32{2.23840584, -2.52318831}, nil}}},
		{"two rows by their weights and factors", model.Combine, append(three, weight{name: "factors", cols: 3, x: []float32{3, 2, 5}}), model.Room{},
			receive(2, func(b *model.Builder, x model.ID) model.ID {
				return b.Combine("y", x, routes(b, x), b.Weight("factors", 1, 3))
			}), []run{{alone(2, 2, 4, -3, 1), []float32{4.95362338, -12.9735503}, nil}}},
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
