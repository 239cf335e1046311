package goldentest

import (
	"math"

	"eclat/loader/quant"
	"eclat/model"
)

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

	// A key's first two elements are its value: scores 0 and ln 3 weigh 1 : 3.
	runs = []run{{model.Batch{Tokens: []int32{0, 1}, Pos: positions(0, 2), Seqs: []model.SeqRun{{N: 2, Units: [][]int32{{0}}}}}, []float32{4, 40, 7, 70}, nil}}
	ws = []weight{{name: "q", cols: 3, x: []float32{0, 0, 0, 0, 0, ln3}}, {name: "k", cols: 3, x: []float32{4, 40, 0, 8, 80, 1}}}
	all = append(all, golden{"latent", model.Attention, ws, few, func(b *model.Builder) model.ID {
		keys := b.Memory(model.Memory{Name: "keys", Type: quant.F16, Cols: 3})
		b.Store(keys, b.Embed("k_x", b.Weight("k", 2, 3)))
		return b.LatentAttention("y", b.Embed("q_x", b.Weight("q", 2, 3)), keys, 1, 1, 2, 1)
	}, runs})

	// Equal scores: the means of chunks of two positions, as far as they are there.
	runs = []run{{paged(0, 5, []int32{0}, 0, 2, 0, 4, 0, 8, 0, 16, 0, 32), []float32{2, 3, 8, 12, 32}, nil}}
	all = append(all, golden{"chunks", model.Attention, nil, model.Room{Pages: 2, Seqs: 1, Chunk: 5}, receive(2, func(b *model.Builder, x model.ID) model.ID {
		m := model.Memory{Name: "keys", Per: model.Window, Window: 2, Type: quant.F32, Cols: 1}
		keys := b.Memory(m)
		m.Name = "values"
		values, zero := b.Memory(m), b.Slice("zero", x, 0, 1, 2)
		b.Store(keys, zero)
		b.Store(values, b.Slice("v", x, 1, 1, 2))
		return b.ChunkedAttention("y", zero, keys, values, 1, 1, 1)
	}), runs})

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

	// Of integers a block of 32 at a time: in steps of 1 and of 2, and with Q4_0 as far as 7
	// steps to one side, 8 to the other.
	blocks := func(ty quant.Type, first, then, keptFirst, keptThen []float32) {
		pad := func(x []float32) []float32 { return append(x[:len(x):len(x)], make([]float32, 32-len(x))...) }
		row := append(append(make([]float32, 2*32), pad(first)...), pad(then)...)
		add(ty.String(), model.Store, heads{1, 1, 32, 64}, ty, 0, 1, model.Room{Pages: 2},
			run{paged(0, 1, []int32{1}, row...), append(pad(keptFirst), pad(keptThen)...), nil})
	}
	blocks(quant.Q8_0, []float32{127, -126.6, 0.4, 1.6, -3.4}, []float32{2.8, -254, 3.2, 0.9, -5.2}, []float32{127, -127, 0, 2, -3}, []float32{2, -254, 4, 0, -6})
	blocks(quant.Q4_0, []float32{8, -8, 2.4, -2.6, 0.4}, []float32{15, -16, 3.1, -3.1, 0.9}, []float32{8, -7, 2, -3, 0}, []float32{14, -16, 4, -4, 0})

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
