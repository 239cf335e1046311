package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"eclat/engine"
	"eclat/engine/stats"
	"eclat/model"
)

// Test is one line of a benchmark: reading a prompt or generating, at a depth.
type Test struct {
	Prompt int // tokens to read; 0 for none
	Gen    int // tokens to generate; 0 for none
	Depth  int // tokens in key–value memory before
}

// Name is llama-bench's: "pp512", "tg128", "pp512 @ d4096".
func (t Test) Name() string {
	s := fmt.Sprintf("pp%d", t.Prompt)
	if t.Gen > 0 {
		s = fmt.Sprintf("tg%d", t.Gen)
	}
	if t.Depth > 0 {
		s += fmt.Sprintf(" @ d%d", t.Depth)
	}
	return s
}

func (t Test) tokens() int { return t.Prompt + t.Gen }

// Tests lists the tests of all depths: of each, the prompts and then the texts.
func Tests(prompts, gens, depths []int) []Test {
	var out []Test
	for _, d := range depths {
		for _, p := range prompts {
			if p > 0 {
				out = append(out, Test{Prompt: p, Depth: d})
			}
		}
		for _, g := range gens {
			if g > 0 {
				out = append(out, Test{Gen: g, Depth: d})
			}
		}
	}
	return out
}

// Context returns how many positions the tests need.
func Context(tests []Test) int {
	n := 0
	for _, t := range tests {
		n = max(n, t.Depth+t.tokens()+1)
	}
	return n
}

// Result is a test's measurement.
type Result struct {
	Test
	Start   time.Time
	Samples []time.Duration // wall-clock time of each repetition
	Joules  float64         // energy of all repetitions; 0 where the system does not tell
	// OfLimit is the share (0…1) of the device's measured limit that the mean rate
	// reaches: of the copy bandwidth for generating, of the matmul rate for reading
	// a prompt. 0 where it is not known.
	OfLimit float64
}

// Rates returns each repetition's tokens a second.
func (r *Result) Rates() []float64 {
	out := make([]float64, len(r.Samples))
	for i, s := range r.Samples {
		out[i] = float64(r.tokens()) / s.Seconds()
	}
	return out
}

// Rate returns the mean of the rates and their standard deviation.
func (r *Result) Rate() (mean, dev float64) {
	rates := r.Rates()
	return stats.Mean(rates), stats.StdDev(rates)
}

// Seconds returns the samples in seconds.
func (r *Result) Seconds() []float64 {
	out := make([]float64, len(r.Samples))
	for i, s := range r.Samples {
		out[i] = s.Seconds()
	}
	return out
}

// TokensPerJoule is 0 where the energy is not known.
func (r *Result) TokensPerJoule() float64 {
	if r.Joules <= 0 {
		return 0
	}
	return float64(r.tokens()*len(r.Samples)) / r.Joules
}

// Options says how to measure.
type Options struct {
	Repeat   int // repetitions of each test, at least 1
	NoWarmup bool
	Energy   *Meter        // nil for none
	Done     *atomic.Int64 // counts tokens up to Total, for whoever watches; may be nil
}

// Total returns how many tokens Run computes, with what is not timed.
func Total(tests []Test, o Options) (n int64) {
	for _, t := range tests {
		n += int64(t.Depth) + int64(max(1, o.Repeat))*int64(t.tokens())
		if !o.NoWarmup {
			n += int64(t.warm().tokens())
		}
	}
	return n
}

// warm is what runs before a test counts: a prompt whole, of a text two tokens,
// enough to compile what all others use.
func (t Test) warm() Test { return Test{Prompt: t.Prompt, Gen: min(t.Gen, 2)} }

// Run measures tests on an open model with room for Context(tests) positions.
func Run(ctx context.Context, e *engine.Engine, tests []Test, o Options) ([]Result, error) {
	var out []Result
	b := bencher{ctx: ctx, e: e, o: &o, prompt: prompt(e, Context(tests))}
	for _, t := range tests {
		r, err := b.test(t)
		if err != nil {
			return out, fmt.Errorf("%s: %w", t.Name(), err)
		}
		out = append(out, *r)
	}
	return out, nil
}

type bencher struct {
	ctx    context.Context
	e      *engine.Engine
	o      *Options
	prompt []int32
}

// prompt returns n tokens of no meaning, the same ones every time.
func prompt(e *engine.Engine, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(model.Uniform(1, uint32(i)) * float32(e.Model.Config.NVocab))
	}
	return ids
}

func (b *bencher) test(t Test) (*Result, error) {
	s := b.e.NewSession()
	defer s.Close()
	if t.Depth > 0 {
		if err := b.generate(s, b.prompt[:t.Depth], 1, false); err != nil {
			return nil, err
		}
		s.Rewind(t.Depth)
	}
	if !b.o.NoWarmup {
		if _, err := b.once(s, t.warm(), t.Depth); err != nil {
			return nil, err
		}
	}
	r := &Result{Test: t, Start: time.Now()}
	for range max(1, b.o.Repeat) {
		before := b.o.Energy.Joules()
		d, err := b.once(s, t, t.Depth)
		if err != nil {
			return nil, err
		}
		r.Samples = append(r.Samples, d)
		r.Joules += b.o.Energy.Since(before)
	}
	return r, nil
}

// once times one repetition and takes the sequence back to depth.
func (b *bencher) once(s *engine.Session, t Test, depth int) (time.Duration, error) {
	// A text begins with one given token: n steps give n tokens.
	prompt, gen := b.prompt[depth:depth+t.Prompt], 1
	if t.Gen > 0 {
		prompt, gen = b.prompt[depth:depth+1], t.Gen
	}
	start := time.Now()
	err := b.generate(s, prompt, gen, t.Gen > 0)
	d := time.Since(start)
	s.Rewind(depth)
	return d, err
}

// generate reads the prompt and generates n tokens, without the choice to stop
// early. It counts either the prompt's tokens or the generated ones.
func (b *bencher) generate(s *engine.Session, prompt []int32, n int, count bool) error {
	losses := b.e.Losses()
	r := engine.Request{MaxTokens: n, IgnoreEOS: true}
	if done := b.o.Done; done != nil && count {
		r.Emit = func(int32) { done.Add(1) }
	} else if done != nil {
		before := 0
		r.Progress = func(now, _ int) { done.Add(int64(now - before)); before = now }
	}
	st, err := s.Generate(b.ctx, prompt, r)
	switch {
	case err != nil:
		return err
	case st.Stop == engine.StopCancel:
		return context.Cause(b.ctx)
	case st.GeneratedTokens != n:
		return fmt.Errorf("bench: %d of %d tokens: %s", st.GeneratedTokens, n, st.Stop)
	case b.e.Losses() != losses:
		return fmt.Errorf("%w while it was measured", engine.ErrLost)
	}
	return nil
}
