package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"eclat/engine"
	"eclat/engine/stats"
	"eclat/model"
	"eclat/model/sample"
)

// Test is one line of a benchmark: reading a prompt or generating, at a depth.
//
// What stands before is computed once and shared by all repetitions, in whole pages
// of model.PageLen positions. A prompt is read at the next whole page, so that what is
// timed is its own tokens; what a text needs beyond whole pages is computed, untimed,
// before its first token.
type Test struct {
	Prompt int // tokens to read; 0 for none
	Gen    int // tokens to generate; 0 for none
	Depth  int // tokens in key–value memory before
}

// shared is how many tokens all repetitions have in common.
func (t Test) shared() int {
	if t.Gen > 0 {
		return t.Depth
	}
	return model.Pages(t.Depth) * model.PageLen
}

// before is how many tokens stand before what is timed; a text begins with one more.
func (t Test) before() int { return t.shared() + min(1, t.Gen) }

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
		n = max(n, t.before()+t.tokens())
	}
	return n
}

// Result is a test's measurement.
type Result struct {
	Test
	Start   time.Time
	Samples []time.Duration // time that each repetition took for its tokens
	Joules  float64         // energy of all repetitions; 0 where the system does not tell
	Proof   engine.Proof    // of one more repetition, which is not timed; zero where Options.Proof is not set
	// OfLimit is the share (0…1) of the device's measured limit that the mean rate
	// reaches: of the memory's bandwidth for generating, of the matmul rate for reading
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
	Proof    bool           // run each test once more, untimed, for Result.Proof: reading the logits back takes time
	Energy   *Meter         // nil for none
	Done     *atomic.Int64  // counts tokens up to Total, for whoever watches; may be nil
	Each     func(r Result) // told of each test as it ends, with OfLimit by the limits that are known then; may be nil
}

// Total returns how many tokens Run computes, with what is not timed.
func Total(tests []Test, o Options) (n int64) {
	for _, t := range tests {
		n += int64(t.shared()) + int64(max(1, o.Repeat))*int64(t.tokens())
		if !o.NoWarmup {
			n += int64(t.warm().tokens())
		}
		if o.Proof {
			n += int64(t.tokens())
		}
	}
	return n
}

// warm is what runs before a test counts: a prompt whole, of a text two tokens,
// enough to compile what all others use.
func (t Test) warm() Test { return Test{t.Prompt, min(t.Gen, 2), t.Depth} }

// Run measures tests on an open model with room for Context(tests) positions.
func Run(ctx context.Context, e *engine.Engine, tests []Test, o Options) ([]Result, error) {
	var out []Result
	b := bencher{ctx: ctx, e: e, o: &o, tokens: prompt(e, Context(tests))}
	if b.o.Done == nil {
		b.o.Done = new(atomic.Int64)
	}
	for _, t := range tests {
		r, err := b.test(t)
		if err != nil {
			return out, fmt.Errorf("%s: %w", t.Name(), err)
		}
		out = append(out, *r)
		if o.Each != nil {
			o.Each(*r)
		}
	}
	return out, nil
}

type bencher struct {
	ctx    context.Context
	e      *engine.Engine
	o      *Options
	tokens []int32
	count  int64 // of tokens before the running request
}

// prompt returns n tokens of no meaning, the same ones every time.
func prompt(e *engine.Engine, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(sample.Uniform(1, uint32(i)) * float32(e.Model.Config.NVocab))
	}
	return ids
}

func (b *bencher) test(t Test) (*Result, error) {
	if n := t.shared(); n > 0 {
		if _, err := b.request(engine.Request{Tokens: b.tokens[:n], Share: n}, n, nil); err != nil {
			return nil, err
		}
	}
	if !b.o.NoWarmup {
		if _, _, err := b.once(t.warm()); err != nil {
			return nil, err
		}
	}
	r := &Result{Test: t, Start: time.Now()}
	for range max(1, b.o.Repeat) {
		d, joules, err := b.once(t)
		if err != nil {
			return nil, err
		}
		r.Samples = append(r.Samples, d)
		r.Joules += joules
	}
	if b.o.Proof {
		ask := b.ask(t)
		ask.Proof = true
		st, err := b.request(ask, t.tokens(), nil)
		if err != nil {
			return nil, err
		}
		r.Proof = st.Proof
	}
	return r, nil
}

// ask is a test's request: the first token is chosen at the prompt's end; each other
// takes a step.
func (b *bencher) ask(t Test) engine.Request {
	return engine.Request{Tokens: b.tokens[:t.before()+t.Prompt], Share: t.shared(), MaxTokens: 1 + t.Gen}
}

// once runs one repetition and returns the time and the energy that its tokens took.
func (b *bencher) once(t Test) (d time.Duration, joules float64, err error) {
	r := b.ask(t)
	meter := b.o.Energy.Joules()
	if t.Gen > 0 {
		st, err := b.request(r, t.Gen, func() { meter = b.o.Energy.Joules() })
		return st.GenerateTime, b.o.Energy.Since(meter), err
	}
	st, err := b.request(r, t.Prompt, nil)
	if run := st.PromptTokens - st.CachedTokens; err == nil && run > t.Prompt {
		// A model whose memory cannot be shared reads all that stands before, too: the
		// rate is over all of it.
		st.PromptTime = time.Duration(float64(st.PromptTime) * float64(t.Prompt) / float64(run))
	}
	return st.PromptTime, b.o.Energy.Since(meter), err
}

// request runs a request of which the last n tokens count, of the generated ones
// where there are any, else of the prompt. It has no choice to stop early. first is
// called at the first generated token and may be nil.
func (b *bencher) request(r engine.Request, n int, first func()) (engine.Stats, error) {
	r.IgnoreEOS = true
	told := 0
	st, err := b.e.Generate(b.ctx, r, func(done, total int) {
		if r.MaxTokens <= 1 {
			b.o.Done.Store(b.count + int64(max(0, n-(total-done))))
		}
	}, func(int32) {
		if told++; told == 1 && first != nil {
			first()
		} else if told > 1 {
			b.o.Done.Store(b.count + int64(told-1))
		}
	})
	switch {
	case err != nil:
		return st, err
	case st.Stop == engine.StopCancel:
		return st, context.Cause(b.ctx)
	case st.GeneratedTokens != r.MaxTokens:
		return st, fmt.Errorf("bench: %d of %d tokens: %s", st.GeneratedTokens, r.MaxTokens, st.Stop)
	case st.Losses > 0:
		return st, fmt.Errorf("%w while it was measured", engine.ErrLost)
	}
	b.count += int64(n)
	b.o.Done.Store(b.count)
	return st, nil
}
