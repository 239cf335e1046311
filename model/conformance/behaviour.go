package conformance

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"eclat/loader/quant"
	"eclat/model"
)

// behaviour is what a backend must do besides computing right.
func behaviour() []*Case {
	return []*Case{
		{Op: "run", Name: "same bits every time", check: repeat},
		{Op: "run", Name: "bad inputs are refused", check: inputs},
		{Op: "run", Name: "no allocation", check: allocations},
		{Op: "read", Name: "every activation", Limit: LimitQuant, check: trace},
	}
}

// repeat runs the same thing twice on fresh backends and wants the same bits.
func repeat(_ *Case, _, open Opener) (float64, error) {
	c := attentionTest(heads{8, 2, 64, 64}, 40, 2)
	c.runs = []model.Inputs{stream(0, 40, 32, []int32{1, 0}, 1), stream(40, 1, 32, []int32{1, 0}, 2)}
	a, err := c.answers(open)
	if err != nil {
		return 0, err
	}
	b, err := c.answers(open)
	if err != nil {
		return 0, err
	}
	for i := range a {
		if !slices.Equal(a[i].result, b[i].result) {
			return 0, fmt.Errorf("run %d: the same inputs gave other bits; %s", i, worst(a[i].result, b[i].result))
		}
	}
	return 0, nil
}

// embedTest stores and returns embeddings of 10 tokens; good is a sound input for it.
func embedTest() (c *test, good model.Inputs) {
	const vocab, cols = 10, 32
	c = &test{tokens: 4, logits: 2, pages: 2}
	c.weight("w", quant.F32, vocab, cols)
	c.build = func(b *model.Builder) model.ID {
		x := b.Embed("x", b.Weight("w", vocab, cols))
		b.Store(b.Cache("k_cache", cols), x)
		return b.Gather("y", x)
	}
	return c, model.Inputs{Tokens: []int32{1, 2}, Pos: []int32{0, 1}, Seq: []int32{0, 0}, Pages: [][]int32{{0}}, Want: []int32{1}}
}

// inputs offers inputs that would index outside memory: each is an error, and
// the program works afterwards.
func inputs(_ *Case, _, open Opener) (float64, error) {
	c, good := embedTest()
	return 0, c.with(open, func(_ *model.Plan, p model.Program) error {
		var out model.Outputs
		for name, change := range map[string]func(in *model.Inputs){
			"no tokens":         func(in *model.Inputs) { in.Tokens, in.Pos, in.Seq, in.Want = nil, nil, nil, nil },
			"too many tokens":   func(in *model.Inputs) { in.Pos = []int32{0, 1, 2, 3, 4} },
			"negative id":       func(in *model.Inputs) { in.Tokens = []int32{-1, 0} },
			"id past the end":   func(in *model.Inputs) { in.Tokens = []int32{0, 10} },
			"id missing":        func(in *model.Inputs) { in.Tokens = []int32{0} },
			"position negative": func(in *model.Inputs) { in.Pos = []int32{-1, 0} },
			"position unpaged":  func(in *model.Inputs) { in.Pos = []int32{0, model.PageLen} },
			"sequence unknown":  func(in *model.Inputs) { in.Seq = []int32{0, 1} },
			"page unknown":      func(in *model.Inputs) { in.Pages = [][]int32{{2}} },
			"page negative":     func(in *model.Inputs) { in.Pages = [][]int32{{-1}} },
			"too many wanted":   func(in *model.Inputs) { in.Want = []int32{0, 1, 0} },
			"wanted unknown":    func(in *model.Inputs) { in.Want = []int32{2} },
		} {
			in := good
			change(&in)
			if err := p.Run(in, &out); err == nil {
				return fmt.Errorf("%s: no error", name)
			}
		}
		if err := p.Run(good, &out); err != nil || len(out.Result) != 32 {
			return fmt.Errorf("after errors a good run gave %d values and %v", len(out.Result), err)
		}
		return nil
	})
}

// allocations counts what repeated runs take from the heap.
func allocations(_ *Case, _, open Opener) (float64, error) {
	c, good := embedTest()
	return 0, c.with(open, func(_ *model.Plan, p model.Program) error {
		const runs = 50
		var out model.Outputs
		var before, after runtime.MemStats
		for i := range runs + 5 {
			if i == 5 {
				runtime.ReadMemStats(&before)
			}
			if err := p.Run(good, &out); err != nil {
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

// trace reads every activation after a run: none may have been overwritten by a
// later step, and a plan without Trace refuses.
func trace(c *Case, openRef, open Opener) (float64, error) {
	x := attentionTest(heads{4, 2, 64, 64}, 8, 1)
	in := stream(0, 5, 32, []int32{0}, 1)
	refused := errors.New("a plan without Trace could be read")
	read := func(open Opener) (names []string, values [][]float32, err error) {
		err = x.with(open, func(plan *model.Plan, p model.Program) error {
			var out model.Outputs
			if err := p.Run(in, &out); err != nil {
				return err
			}
			for id, t := range plan.Tensors {
				if t.Kind != model.TokenRows {
					continue
				}
				dst := make([]float32, t.Rows*t.Cols)
				n, err := p.Read(model.ID(id), dst)
				if !plan.Trace {
					if err == nil {
						return refused
					}
					return nil
				}
				if err != nil || n != 5*t.Cols {
					return fmt.Errorf("%s: %d values, %w", t.Name, n, err)
				}
				names, values = append(names, t.Name), append(values, dst[:n])
			}
			return nil
		})
		return names, values, err
	}
	if _, _, err := read(open); err != nil {
		return 0, err
	}
	x.trace = true
	names, want, err := read(openRef)
	if err != nil {
		return 0, fmt.Errorf("reference: %w", err)
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
