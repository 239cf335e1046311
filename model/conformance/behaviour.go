package conformance

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

// behaviour is what a backend must do besides computing right.
func behaviour() []*Case {
	return []*Case{
		{Op: "run", Name: "same bits every time", check: repeat},
		{Op: "run", Name: "bad batches are refused", check: refused},
		{Op: "run", Name: "a row where none were announced", check: unannounced},
		{Op: "run", Name: "cancelled", check: cancelled},
		{Op: "run", Name: "no allocation", check: allocations},
		{Op: "run", Name: "time of every step", check: profile},
		{Op: "read", Name: "every activation", Limit: LimitQuant, check: trace},
		{Op: "load", Name: "once, of what is there", check: loads},
		{Op: "compile", Name: "what is not known is refused", check: compiles},
		{Op: "info", Name: "who it is and what it can", check: info},
	}
}

// repeat runs the same thing twice on fresh backends and wants the same bits.
func repeat(_ *Case, _, open Opener) (float64, error) {
	c := miniature(40, 2, true)
	c.room = model.Room{Pages: 6, Seqs: 2, Chunk: 40}
	c.runs = acted(func(c *cast) (runs []*model.Batch) {
		c.how = func(seq, pos int) sample.Params { return sample.Params{Logits: true} }
		for _, ts := range [][]turn{{{0, 40}}, {{0, 1}, {1, 38}}, {{1, 1}, {0, 1}}, {{1, 1}}} {
			runs = append(runs, c.batch(ts...))
		}
		return runs
	})
	a, err := c.answers(open)
	if err != nil {
		return 0, err
	}
	b, err := c.answers(open)
	if err != nil {
		return 0, err
	}
	for i := range a {
		if !sameBits(a[i].rows, b[i].rows) {
			return 0, fmt.Errorf("run %d: the same inputs gave other bits; %s", i, worst(a[i].rows, b[i].rows))
		}
	}
	return 0, nil
}

// embedTest stores embeddings of 10 tokens, half of them, and a sum over them; good is a
// sound batch for it, of two sequences.
func embedTest() (c *test, good func() *model.Batch) {
	const vocab, cols = 10, 32
	c = &test{room: model.Room{Pages: 4, Seqs: 2, Chunk: 4}}
	c.opts = model.CompileOptions{Size: model.Size{Tokens: 4, Want: 2}}
	c.weight("w", quant.F32, vocab, cols)
	c.weight("f", quant.F32, cols, 2)
	c.build = func(b *model.Builder) model.ID {
		x := b.Embed("x", b.Weight("w", vocab, cols))
		b.Store(b.Memory(model.Memory{Name: "k_cache", Per: model.Position, Type: quant.F16, Cols: cols}), x)
		b.Store(b.Memory(model.Memory{Name: "w_cache", Per: model.Window, Window: 5, Type: quant.F16, Cols: cols}), x)
		x = b.Conv("y", x, b.Weight("f", cols, 2), b.Memory(model.Memory{Name: "state", Per: model.Sequence, Type: quant.F32, Cols: cols}), model.None, false)
		return b.Gather("z", x)
	}
	return c, func() *model.Batch {
		return &model.Batch{
			Tokens: []int32{1, 2, 3}, Pos: []int32{0, 1, 0},
			Seqs: []model.SeqRun{{N: 2, Units: [][]int32{{0}, {1}, {0}}}, {N: 1, Units: [][]int32{{2}, {0}, {1}}}},
			Want: []int32{1, 2},
		}
	}
}

// refused offers batches that would index outside memory, or mix sequences up: each
// is an error, and the program works afterwards.
func refused(_ *Case, _, open Opener) (float64, error) {
	c, good := embedTest()
	return 0, c.with(open, func(r *rig) error {
		p, err := r.compile(c.opts)
		if err != nil {
			return err
		}
		want, err := r.run(p, good())
		if err != nil {
			return err
		}
		for name, change := range map[string]func(b *model.Batch){
			"no tokens":                  func(b *model.Batch) { *b = model.Batch{} },
			"too many tokens":            func(b *model.Batch) { b.Pos, b.Seqs[0].N, b.Tokens = []int32{0, 1, 2, 3, 0}, 4, []int32{1, 1, 1, 1, 1} },
			"negative id":                func(b *model.Batch) { b.Tokens[0] = -2 },
			"id past the end":            func(b *model.Batch) { b.Tokens[1] = 10 },
			"id missing":                 func(b *model.Batch) { b.Tokens = b.Tokens[:2] },
			"no id and no row":           func(b *model.Batch) { b.Tokens[0] = -1 },
			"position negative":          func(b *model.Batch) { b.Pos[2] = -1 },
			"positions falling":          func(b *model.Batch) { b.Pos[0], b.Pos[1] = 1, 0 },
			"position without a page":    func(b *model.Batch) { b.Pos[2] = model.PageLen },
			"sequence without memory":    func(b *model.Batch) { b.Seqs[1].Units = nil },
			"token of nobody":            func(b *model.Batch) { b.Seqs = b.Seqs[:1] },
			"page past the end":          func(b *model.Batch) { b.Seqs[0].Units[0][0] = 4 },
			"page of a window negative":  func(b *model.Batch) { b.Seqs[0].Units[1][0] = -1 },
			"page of two":                func(b *model.Batch) { b.Seqs[0].Units[0][0] = 2 },
			"slot past the end":          func(b *model.Batch) { b.Seqs[0].Units[2][0] = 4 },
			"slot of two":                func(b *model.Batch) { b.Seqs[0].Units[2][0] = 1 },
			"too many wanted":            func(b *model.Batch) { b.Want = []int32{0, 1, 2} },
			"wanted past the end":        func(b *model.Batch) { b.Want[1] = 3 },
			"wanted in a falling order":  func(b *model.Batch) { b.Want[0], b.Want[1] = 2, 1 },
			"hidden rows that nobody is": func(b *model.Batch) { b.Rows = make([]float32, 32) },
		} {
			b := good()
			change(b)
			if err := p.Run(context.Background(), b, &model.Outputs{}); err == nil {
				return fmt.Errorf("%s: no error", name)
			}
			got, err := r.run(p, good())
			if err != nil {
				return fmt.Errorf("a good batch after %s: %w", name, err)
			}
			if !sameBits(want.rows, got.rows) {
				return fmt.Errorf("a good batch after %s: other bits; %s", name, worst(want.rows, got.rows))
			}
		}
		return nil
	})
}

// unannounced gives a token as a row to a program that was compiled without Rows: it is
// refused, or right.
func unannounced(_ *Case, _, open Opener) (float64, error) {
	c := &test{opts: sized(2)}
	c.weight("w", quant.F32, 10, 32)
	c.build = func(b *model.Builder) model.ID { return b.Embed("x", b.Weight("w", 10, 32)) }
	return 0, c.with(open, func(r *rig) error {
		p, err := r.compile(c.opts)
		if err != nil {
			return err
		}
		b := rowsOnly(0, 1, 32, 1)
		b.Tokens = []int32{-1}
		if got, err := r.run(p, b); err == nil && !sameBits(got.rows, b.Rows) {
			return fmt.Errorf("neither an error nor the row; %s", worst(b.Rows, got.rows))
		}
		return nil
	})
}

// cancelled runs with a context that has ended: its error, and the run after it is right.
func cancelled(_ *Case, _, open Opener) (float64, error) {
	c := attentionTest(heads{4, 2, 64, 64}, halves, halves, 40)
	c.room.Pages = 2
	runs := func(r *rig) []*model.Batch { return newCast(r.plan).alone(0, 40, 1, 5) }
	var want []answer
	if err := c.with(open, func(r *rig) error {
		p, err := r.compile(c.opts)
		if err != nil {
			return err
		}
		for _, b := range runs(r) {
			a, err := r.run(p, b)
			if err != nil {
				return err
			}
			want = append(want, a)
		}
		return nil
	}); err != nil {
		return 0, err
	}
	return 0, c.with(open, func(r *rig) error {
		p, err := r.compile(c.opts)
		if err != nil {
			return err
		}
		ended, cancel := context.WithCancelCause(context.Background())
		cancel(errors.New("nobody listens"))
		for i, b := range runs(r) {
			if err := p.Run(ended, b, &model.Outputs{}); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("run %d: with a context that has ended the error is %v", i, err)
			}
			a, err := r.run(p, b)
			if err != nil {
				return fmt.Errorf("run %d after a cancelled one: %w", i, err)
			}
			if !sameBits(want[i].rows, a.rows) {
				return fmt.Errorf("run %d: other bits after a cancelled run; %s", i, worst(want[i].rows, a.rows))
			}
		}
		return nil
	})
}

// allocations counts what repeated runs of several sequences take from the heap.
func allocations(_ *Case, _, open Opener) (float64, error) {
	c := miniature(9, 3, true)
	c.room = model.Room{Pages: 6, Seqs: 3, Chunk: 7}
	return 0, c.with(open, func(r *rig) error {
		p, err := r.compile(c.opts)
		if err != nil {
			return err
		}
		cast := newCast(r.plan)
		cast.rows = func(seq, pos int) bool { return pos == 1 }
		cast.how = func(seq, pos int) sample.Params { return hows[seq*2] }
		b := cast.batch(turn{0, 1}, turn{1, 7}, turn{2, 1})
		const runs = 50
		var out model.Outputs
		var before, after runtime.MemStats
		for i := range runs + 5 {
			if i == 5 {
				runtime.ReadMemStats(&before)
			}
			if err := p.Run(context.Background(), b, &out); err != nil {
				return err
			}
		}
		runtime.ReadMemStats(&after)
		if n := (after.Mallocs - before.Mallocs) / runs; n > 0 {
			return fmt.Errorf("a run allocates %d times", n)
		}
		return nil
	})
}

// profile wants a time for every step, and none unasked.
func profile(_ *Case, _, open Opener) (float64, error) {
	c := miniature(16, 1, false)
	c.room = model.Room{Pages: 1, Seqs: 1, Chunk: 16}
	return 0, c.with(open, func(r *rig) error {
		b := newCast(r.plan).batch(turn{0, 16})
		for _, on := range []bool{false, true} {
			o := c.opts
			o.Profile = on
			p, err := r.compile(o)
			if err != nil {
				return err
			}
			var out model.Outputs
			if err := p.Run(context.Background(), b, &out); err != nil {
				return err
			}
			if !on {
				if out.StepTime != nil {
					return errors.New("times of steps without Profile")
				}
				continue
			}
			if out.StepTime == nil {
				return lacks{errors.New("the device tells no times")}
			}
			if len(out.StepTime) != len(r.plan.Steps) {
				return fmt.Errorf("%d times of %d steps", len(out.StepTime), len(r.plan.Steps))
			}
			if slices.Min(out.StepTime) < 0 || slices.Max(out.StepTime) == 0 {
				return fmt.Errorf("steps took %v", out.StepTime)
			}
		}
		return nil
	})
}

// trace reads every activation after a run: none may have been overwritten by a
// later step, and a program without Trace refuses.
func trace(c *Case, openRef, open Opener) (float64, error) {
	x := miniature(8, 2, true)
	x.room = model.Room{Pages: 2, Seqs: 2, Chunk: 8}
	read := func(open Opener) (names []string, values [][]float32, err error) {
		err = x.with(open, func(r *rig) error {
			b := newCast(r.plan).batch(turn{0, 5}, turn{1, 2})
			size := b.Size(r.plan)
			o := x.opts
			plain, err := r.compile(o)
			if err != nil {
				return err
			}
			o.Trace = true
			p, err := r.compile(o)
			if err != nil {
				return err
			}
			if _, err := r.run(plain, b); err != nil {
				return err
			}
			if _, err := plain.Read(r.plan.Answer(), make([]float32, 2*77)); err == nil {
				return errors.New("a program without Trace could be read")
			}
			if _, err := r.run(p, b); err != nil {
				return err
			}
			for id, t := range r.plan.Tensors {
				if t.Kind != model.TokenRows && t.Kind != model.WantRows || t.Type != quant.F32 {
					continue
				}
				rows := r.plan.Rows(model.ID(id), size)
				dst := make([]float32, r.plan.Rows(model.ID(id), o.Size)*t.Cols)
				n, err := p.Read(model.ID(id), dst)
				if err != nil || n != rows*t.Cols {
					return fmt.Errorf("%s: %d values, want %d; %v", t.Name, n, rows*t.Cols, err)
				}
				names, values = append(names, t.Name), append(values, dst[:n])
			}
			for id, t := range r.plan.Tensors {
				if t.Kind == model.Weight || t.Kind == model.Kept {
					if _, err := p.Read(model.ID(id), make([]float32, t.Rows*t.Cols)); err == nil {
						return fmt.Errorf("%s, no activation, could be read", t.Name)
					}
				}
			}
			return nil
		})
		return names, values, err
	}
	names, want, err := read(openRef)
	if err != nil {
		return 0, refFails(err)
	}
	_, got, err := read(open)
	if err != nil {
		return 0, err
	}
	most := 0.0
	for i, name := range names {
		e := NMSE(want[i], got[i])
		if !(e <= c.Limit) {
			return e, fmt.Errorf("%s: error %.3g; %s", name, e, worst(want[i], got[i]))
		}
		most = max(most, e)
	}
	return most, nil
}
