package conformance

import (
	"fmt"
	"math"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

// miniature is a small model with every op and every kind of memory: a layer of full
// attention, one of a window with halves rotated, one of a gated convolution with a
// mixture of experts.
func miniature(tokens, want int, sampled bool) *test {
	const vocab, embd, ff, nHead, nHeadKV, dim, taps, experts, used = 77, 256, 256, 4, 2, 32, 3, 5, 2
	c := &test{}
	c.opts.Size = model.Size{Tokens: tokens, Want: want}
	c.opts.Rows = true
	c.weight("embd", quant.F16, vocab, embd)
	c.weight("out", quant.Q8_0, vocab, embd)
	c.tensor("a", quant.F32, 1, 8, []float32{-0.1, -0.5, -1, -2, -0.01, -0.3, -0.2, -4})
	c.weight("d", quant.F32, 1, 8)
	c.weight("wider", quant.F32, embd, 128)
	c.tensor("by_head", quant.F32, nHead*dim, dim, values(13, nHead*dim*dim, 0.2))
	for l := range 3 {
		c.weight(fmt.Sprint("norm", l), quant.F32, 1, embd)
		c.weight(fmt.Sprint("ffn_norm", l), quant.F32, 1, embd)
		c.weight(fmt.Sprint("q", l), quant.F32, nHead*dim, embd)
		c.weight(fmt.Sprint("k", l), quant.F32, nHeadKV*dim, embd)
		c.weight(fmt.Sprint("v", l), quant.F32, nHeadKV*dim, embd)
		c.weight(fmt.Sprint("o", l), quant.F32, embd, nHead*dim)
		c.weight(fmt.Sprint("bias", l), quant.F32, 1, embd)
		c.weight(fmt.Sprint("gate", l), quant.Q8_0, ff, embd)
		c.weight(fmt.Sprint("up", l), quant.Q8_0, ff, embd)
		c.weight(fmt.Sprint("down", l), quant.Q8_0, embd, ff)
		c.weight(fmt.Sprint("conv", l), quant.F32, embd, taps)
	}
	c.tensor("router", quant.F32, experts, embd, values(11, experts*embd, 0.05))
	c.weight("gate_exps", quant.Q8_0, experts*ff, embd)
	c.weight("up_exps", quant.Q8_0, experts*ff, embd)
	c.weight("down_exps", quant.Q4_0, experts*embd, ff)
	c.build = func(b *model.Builder) model.ID {
		name := func(part string, l int) string { return fmt.Sprintf("%s %d", part, l) }
		linear := func(part string, l, rows int, x model.ID) model.ID {
			return b.MatMul(name(part, l), b.Weight(fmt.Sprint(part, l), rows, b.Cols(x)), x)
		}
		norm := func(part string, l int, x model.ID) model.ID {
			w := b.Weight(fmt.Sprint(part, l), 1, embd)
			if l == 1 {
				return b.LayerNorm(name(part, l), x, w, 1e-5)
			}
			return b.RMSNorm(name(part, l), x, w, 1e-5)
		}
		attend := func(l int, h model.ID, m model.Memory, r model.Rope) model.ID {
			for j := range dim / 2 {
				r.Freq = append(r.Freq, math.Pow(1e4, -2*float64(j)/dim))
			}
			rope := b.Rope(r)
			q := b.RoPE(name("q_rope", l), linear("q", l, nHead*dim, h), dim, rope)
			k := b.RoPE(name("k_rope", l), linear("k", l, nHeadKV*dim, h), dim, rope)
			m.Cols = nHeadKV * dim
			m.Name = name("k_cache", l)
			kc := b.Memory(m)
			m.Name = name("v_cache", l)
			vc := b.Memory(m)
			b.Store(kc, k)
			b.Store(vc, linear("v", l, nHeadKV*dim, h))
			// Scores of a few units: where they are hundreds, a key that rounds to the other
			// half decides between two positions, and no limit holds.
			a := b.Attention(name("attention", l), q, kc, vc, nHead, nHeadKV, 1.0/1024)
			if l == 1 { // each head by a matrix of its own, its halves the other way round
				a = b.MatMulHeads("by heads", b.Weight("by_head", nHead*dim, dim), a, nHead)
				a = b.Join("joined", b.Slice("second", a, dim/2, dim/2, dim), b.Slice("first", a, 0, dim/2, dim), nHead, dim/2)
			}
			return b.Add(name("o+bias", l), linear("o", l, embd, a), b.Weight(fmt.Sprint("bias", l), 1, embd))
		}
		x := b.Embed("embd_rows", b.Weight("embd", vocab, embd))
		for l := range 3 {
			h := norm("norm", l, x)
			switch l {
			case 0:
				h = attend(l, h, model.Memory{Per: model.Position, Type: quant.F16}, model.Rope{Scale: 1})
			case 1:
				h = attend(l, h, model.Memory{Per: model.Window, Window: 33, Type: quant.F32}, model.Rope{Scale: 1.25, Halves: true})
			case 2:
				state := b.Memory(model.Memory{Name: "conv_state", Per: model.Sequence, Type: quant.F32, Cols: (taps - 1) * embd})
				g := b.Conv("conv", h, b.Weight("conv2", embd, taps), state, b.Weight("bias2", 1, embd), true)
				h = recurrent(b, b.Mul("gated", b.Act("relu2", g, model.ReLU2), h))
			}
			x = b.Add(name("residual", l), x, h)
			h = norm("ffn_norm", l, x)
			if l == 2 {
				r := b.Route("routes", b.MatMul("router_logits", b.Weight("router", experts, embd), h), model.None,
					model.Routing{Used: used, Norm: true, Scale: 1, Groups: 1, GroupsUsed: 1})
				product := func(part string, m int, h model.ID) model.ID { // embd is ff
					return b.MatMulExperts(name(part, l), b.Weight(part, experts*m, ff), h, r, model.None, experts, 0, m)
				}
				h = b.SwiGLU("swiglu_exps", product("gate_exps", ff, h), product("up_exps", ff, h))
				x = b.Add("experts_residual", x, b.Combine("combined", product("down_exps", embd, h), r, model.None))
				continue
			}
			h = b.SwiGLU(name("swiglu", l), linear("gate", l, ff, h), linear("up", l, ff, h))
			x = b.Add(name("ffn_residual", l), x, linear("down", l, embd, h))
		}
		x = b.MatMul("logits", b.Weight("out", vocab, embd), b.Gather("last", x))
		if sampled {
			x = b.Sample("token", x)
		}
		return x
	}
	return c
}

// recurrent takes the rows of h through a state space and then, queries and keys of length
// 1, through the delta rule: (n, 256), as h has.
func recurrent(b *model.Builder, h model.ID) model.ID {
	s := model.State{NHead: 8, NHeadK: 2, DimK: 32, DimV: 16} // 2·2·32 + 8·16 = 256
	memory := func(name string) model.ID {
		return b.Memory(model.Memory{Name: name, Per: model.Sequence, Type: quant.F32, Cols: s.Len()})
	}
	a, d := b.Vector("a", s.NHead), b.Vector("d", s.NHead)
	steps := b.Slice("steps", h, 3, 1, 32)
	y := b.Scan("scan", h, b.Act("dt", steps, model.Softplus), a, d, memory("scan_state"), s)
	h = b.Add("scanned", h, b.MatMul("scan out", b.Weight("wider", 256, s.NHead*s.DimV), y))
	h = b.L2Norm("unit", h, s.DimK, 2*s.NHeadK, 1e-6)
	y = b.DeltaRule("delta", h, b.Act("dt2", steps, model.Softplus), a, b.Act("beta", steps, model.Sigmoid), memory("delta_state"), s, 0.2, true)
	return b.MatMul("delta out", b.Weight("wider", 256, s.NHead*s.DimV), y)
}

// mixed are batches of several sequences, and programs of several sizes.
func mixed() (cases []*Case) {
	for _, n := range []int{1, 2, 3, 8, 17, 64} {
		cases = append(cases, together(n))
	}
	return append(cases, programSizes(), twoPrograms())
}

// together plays n sequences of odd lengths that join, pause and go as they like, in
// batches, and then each by itself in the same program: the same bits. The reference,
// each by itself, agrees within the limit.
func together(n int) *Case {
	c := miniature(8*n+1, n, false)
	c.room = model.Room{Pages: 2 * n, Seqs: n, Chunk: 9}
	rows := func(seq, pos int) bool { return (seq+pos)%5 == 0 }
	play := func(c *cast) (batches []*model.Batch, turns [][]turn) {
		c.rows = rows
		dice := uint32(0)
		roll := func(k int) int {
			dice++
			return int(sample.Uniform(uint64(n), dice) * float32(k))
		}
		fed := make([]int, n)
		for step := range 12 {
			var ts []turn
			for seq := range n {
				left := 2*((seq*5)%17) + 3 - fed[seq] // prompts of 3, 13, 23 … 35 tokens
				switch {
				case roll(4) == 0 || step < seq%4: // pauses, or has not come yet
				case left > 0:
					ts = append(ts, turn{seq, min(left, 1+2*roll(4))})
				case left > -4:
					ts = append(ts, turn{seq, 1})
				}
			}
			if len(ts) == 0 {
				continue
			}
			if step%2 == 1 { // another order
				for i := range len(ts) / 2 {
					ts[i], ts[len(ts)-1-i] = ts[len(ts)-1-i], ts[i]
				}
			}
			for _, t := range ts {
				fed[t.seq] += t.n
			}
			batches, turns = append(batches, c.batch(ts...)), append(turns, ts)
		}
		return batches, turns
	}
	type key struct{ seq, step int }
	alone := func(r *rig, p model.Program) (map[key][]float32, error) {
		_, turns := play(newCast(r.plan))
		out := map[key][]float32{}
		for seq := range n {
			cast := newCast(r.plan)
			cast.rows = rows
			for step, ts := range turns {
				for _, t := range ts {
					if t.seq != seq {
						continue
					}
					a, err := r.run(p, cast.batch(t))
					if err != nil {
						return nil, fmt.Errorf("sequence %d alone: %w", seq, err)
					}
					out[key{seq, step}] = a.rows
				}
			}
		}
		return out, nil
	}
	return &Case{Op: "batch", Name: fmt.Sprintf("%d sequences", n), Limit: LimitQuant, Long: n > 17, check: func(_ *Case, openRef, open Opener) (float64, error) {
		var want map[key][]float32
		if err := c.with(openRef, func(r *rig) error {
			p, err := r.compile(c.opts)
			if err == nil {
				want, err = alone(r, p)
			}
			return err
		}); err != nil {
			return 0, refFails(err)
		}
		most := 0.0
		err := c.with(open, func(r *rig) error {
			p, err := r.compile(c.opts)
			if err != nil {
				return err
			}
			got := map[key][]float32{}
			batches, turns := play(newCast(r.plan))
			for step, b := range batches {
				a, err := r.run(p, b)
				if err != nil {
					return fmt.Errorf("step %d: %w", step, err)
				}
				for i, t := range turns[step] {
					got[key{t.seq, step}] = a.row(i)
				}
			}
			own, err := alone(r, p)
			if err != nil {
				return err
			}
			for k, x := range got {
				what := fmt.Sprintf("sequence %d in step %d", k.seq, k.step)
				if !sameBits(own[k], x) {
					return fmt.Errorf("%s: other bits than alone; %s", what, worst(own[k], x))
				}
				e := NMSE(want[k], x)
				if !sameBits(want[k], x) {
					return fmt.Errorf("%s: other bits than the reference, error %.3g; %s", what, e, worst(want[k], x))
				}
				most = max(most, e)
			}
			return nil
		})
		return most, err
	}}
}

// programSizes feeds the same 70 tokens to programs of several sizes, as much at once
// as each takes.
func programSizes() *Case {
	const total = 70
	c := miniature(64, 64, false)
	c.room = model.Room{Pages: 4, Seqs: 1, Chunk: 64}
	answers := func(open Opener, size int) (a answer, err error) {
		err = c.with(open, func(r *rig) error {
			o := c.opts
			o.Size = model.Size{Tokens: size, Want: size}
			p, err := r.compile(o)
			if err != nil {
				return err
			}
			cast := newCast(r.plan)
			cast.all = true
			cast.rows = func(seq, pos int) bool { return pos%7 == 3 }
			for at := 0; at < total; at += size {
				part, err := r.run(p, cast.batch(turn{0, min(size, total-at)}))
				if err != nil {
					return err
				}
				a.rows, a.cols = append(a.rows, part.rows...), part.cols
			}
			return nil
		})
		return a, err
	}
	return &Case{Op: "batch", Name: "programs of 1, 2, 4, 8, 64", Limit: LimitQuant, check: func(_ *Case, openRef, open Opener) (float64, error) {
		want, err := answers(openRef, 64)
		if err != nil {
			return 0, refFails(err)
		}
		most := 0.0
		for _, size := range []int{1, 2, 4, 8, 64} {
			got, err := answers(open, size)
			if err != nil {
				return 0, err
			}
			e, err := agree([]answer{want}, []answer{got}, LimitQuant)
			if err != nil {
				return e, fmt.Errorf("program of %d: %w", size, err)
			}
			most = max(most, e)
		}
		return most, nil
	}}
}

// twoPrograms lets a program for prompts and one for single tokens take turns over
// the same memory, as an engine does, down to the chosen tokens.
func twoPrograms() *Case {
	c := miniature(33, 2, true)
	c.room = model.Room{Pages: 6, Seqs: 2, Chunk: 33}
	answers := func(open Opener) (all []answer, err error) {
		err = c.with(open, func(r *rig) error {
			large, err := r.compile(c.opts)
			if err != nil {
				return err
			}
			o := c.opts
			o.Size, o.Rows = model.Size{Tokens: 2, Want: 2}, false
			small, err := r.compile(o)
			if err != nil {
				return err
			}
			cast := newCast(r.plan)
			cast.how = func(seq, pos int) sample.Params {
				return sample.Params{Temp: 1, TopK: 20, Seed: uint64(seq), Logits: (seq+pos)%3 == 0}
			}
			for _, ts := range [][]turn{{{0, 33}}, {{0, 1}}, {{0, 1}}, {{1, 31}, {0, 1}}, {{0, 1}, {1, 1}}, {{1, 2}}, {{1, 1}, {0, 1}}, {{0, 9}, {1, 24}}, {{1, 1}}} {
				n := 0
				for _, t := range ts {
					n += t.n
				}
				p := large
				if n <= 2 {
					p = small
				}
				a, err := r.run(p, cast.batch(ts...))
				if err != nil {
					return err
				}
				all = append(all, a)
			}
			return nil
		})
		return all, err
	}
	return looked("batch", "two programs in turn", LimitQuant, answers, nil)
}
