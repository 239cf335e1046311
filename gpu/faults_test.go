//go:build cgo && !novulkan

package gpu

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"eclat/gpu/vk"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/sample"
)

var prompt = []int32{1, 134, 165, 1127, 828, 331, 323, 1595}

// openTest opens a backend with validation and closes it with the test.
func openTest(t testing.TB, o options) *Backend {
	t.Helper()
	b, err := open(testDevice(t), strict(t, o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// logits returns the logits of the last of the prompt's tokens.
func (r *runner) logits(p model.Program) []float32 {
	r.t.Helper()
	var out model.Outputs
	if err := p.Run(r.t.Context(), r.batch(prompt, 0, 1), &out); err != nil {
		r.t.Fatal(err)
	}
	return slices.Clone(out.Rows)
}

func TestRunAllocatesNothing(t *testing.T) {
	b := openTest(t, options{})
	r := newRunner(t, builtIn, b, 256)
	for _, sample := range []bool{false, true} {
		p := r.program(1, 1, sample)
		in := r.batch(prompt[:1], 0, 1)
		var out model.Outputs
		if n := testing.AllocsPerRun(10, func() {
			if err := p.Run(t.Context(), in, &out); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("sample %v: a run allocates %v times", sample, n)
		}
	}
}

// TestVariations: memory that is not mapped, many small submits, weights in many
// parts and the plainest kernels all give the same answer.
func TestVariations(t *testing.T) {
	long(t)
	plain := newRunner(t, builtIn, openTest(t, options{}), 64)
	p := plain.program(len(prompt), 1, false)
	if n := len(p.(*program).segments); n != 1 {
		t.Errorf("%d submits for a small model", n)
	}
	want := plain.logits(p)
	if again := plain.logits(p); !slices.Equal(want, again) {
		t.Error("two runs differ")
	}

	t.Run("unmapped", func(t *testing.T) {
		b := openTest(t, options{})
		b.unmapped = true
		r := newRunner(t, builtIn, b, 64)
		if got := r.logits(r.program(len(prompt), 1, false)); !slices.Equal(got, want) {
			t.Error("the answer differs")
		}
	})
	t.Run("submits", func(t *testing.T) {
		r := newRunner(t, builtIn, openTest(t, options{submitTime: 1}), 64)
		p := r.program(len(prompt), 1, false)
		if n := len(p.(*program).segments); n < 50 {
			t.Errorf("%d submits", n)
		}
		if got := r.logits(p); !slices.Equal(got, want) {
			t.Error("the answer differs")
		}
	})
	t.Run("slower", func(t *testing.T) {
		r := newRunner(t, builtIn, openTest(t, options{}), 64)
		p := r.program(len(prompt), 1, false).(*program)
		r.logits(p)
		p.slower = 3
		if got := r.logits(p); !slices.Equal(got, want) || len(p.segments) > 4 || p.slower != 0 {
			t.Errorf("%d submits, or the answer differs", len(p.segments))
		}
		p.slower = 1000
		if got := r.logits(p); !slices.Equal(got, want) || len(p.segments) < 10 {
			t.Errorf("%d submits, or the answer differs", len(p.segments))
		}
	})
	t.Run("parts", func(t *testing.T) {
		b := openTest(t, options{})
		b.info.Limits.MaxStorageRange = 40 << 10
		r := newRunner(t, builtIn, b, 64)
		if n := len(b.weights["token_embd.weight"].Parts); n < 10 {
			t.Errorf("%d parts", n)
		}
		if got := r.logits(r.program(len(prompt), 1, false)); !slices.Equal(got, want) {
			t.Error("the answer differs")
		}
	})
	t.Run("tuned", func(t *testing.T) {
		cache, calls := t.TempDir(), 0
		for round := range 2 {
			b := openTest(t, options{tune: tuneAlways, OpenOptions: model.OpenOptions{CacheDir: cache, Fault: func(call, subject string) error {
				if subject == "tuning" {
					calls++
				}
				return nil
			}}})
			r := newRunner(t, builtIn, b, 64)
			equal(t, r.logits(r.program(len(prompt), 1, false)), want)
			if round == 0 && calls == 0 || round == 1 && calls > 0 {
				t.Errorf("round %d: %d measurements", round, calls)
			}
			t.Logf("%d measurements: %v", calls, b.kernels.Choices())
			calls = 0
		}
	})
	t.Run("plain", func(t *testing.T) {
		var warned []string
		fails := "_texel"
		b := openTest(t, options{OpenOptions: model.OpenOptions{
			Warn: func(m string) { warned = append(warned, m) },
			Fault: func(call, kernel string) error {
				if call == "pipeline" && strings.HasSuffix(kernel, fails) {
					return errors.New("made to fail")
				}
				return nil
			},
		}})
		if !b.kernels.Texels() {
			fails = "attention"
		}
		r := newRunner(t, builtIn, b, 64)
		got := r.logits(r.program(len(prompt), 1, false))
		if len(warned) == 0 || !strings.Contains(warned[0], "plainer") {
			t.Errorf("warnings: %q", warned)
		}
		equal(t, got, want)
	})
}

// equal wants the same bits.
func equal(t *testing.T, got, want []float32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the answer differs: NMSE %g", nmse(got, want))
	}
}

func nmse(got, want []float32) float64 {
	var num, den float64
	for i := range want {
		d := float64(got[i] - want[i])
		num, den = num+d*d, den+float64(want[i])*float64(want[i])
	}
	return num / den
}

// TestHostSamples: what the kernels can't rank is sampled on the host, from the
// same logits and with the same numbers.
func TestHostSamples(t *testing.T) {
	for _, unmapped := range []bool{false, true} {
		b := openTest(t, options{})
		b.unmapped = unmapped
		r := newRunner(t, builtIn, b, 64)
		logits := r.logits(r.program(len(prompt), 1, false))
		p := r.program(len(prompt), 1, true)
		for seed := range uint64(8) {
			how := sample.Params{Temp: 1.5, TopP: 0.99, Seed: seed}
			in := r.batch(prompt, 0, 1)
			in.How[0] = how
			var out model.Outputs
			if err := p.Run(t.Context(), in, &out); err != nil {
				t.Fatal(err)
			}
			var s sample.Sampler
			if want := s.Pick(logits, how, int32(len(prompt)-1)); out.Tokens[0] != want {
				t.Errorf("unmapped %v, seed %d: token %d, want %d", unmapped, seed, out.Tokens[0], want)
			}
		}
	}
}

// TestProfile: every dispatch has a time, and a program with Profile gives the
// tokens of one without.
func TestProfile(t *testing.T) {
	b := openTest(t, options{})
	if b.info.Limits.TimestampBits == 0 {
		t.Skip("the device has no timestamps")
	}
	for _, b.unmapped = range []bool{false, true} {
		if b.unmapped {
			b = openTest(t, options{})
			b.unmapped = true
		}
		r := newRunner(t, builtIn, b, 64)
		o := model.CompileOptions{Size: model.Size{Tokens: len(prompt), Want: 1}, Profile: true}
		for _, sampled := range []bool{false, true} {
			var want, out model.Outputs
			in := r.batch(prompt, 0, 1)
			if err := r.compile(model.CompileOptions{Size: o.Size}, sampled).Run(t.Context(), in, &want); err != nil {
				t.Fatal(err)
			}
			rows, tokens := slices.Clone(want.Rows), slices.Clone(want.Tokens)
			p := r.compile(o, sampled).(*program)
			if err := p.Run(t.Context(), in, &out); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(out.Rows, rows) || !slices.Equal(out.Tokens, tokens) {
				t.Errorf("sampled %v: the answer differs", sampled)
			}
			var sum time.Duration
			for _, d := range out.StepTime {
				sum += d
			}
			if len(out.StepTime) != len(p.plan.Steps) || sum == 0 {
				t.Errorf("%d times, %v in all", len(out.StepTime), sum)
			}
			steps, err := p.profile(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range steps {
				if s.Time < 0 || s.Kernel == "" || s.Tensor == "" {
					t.Errorf("%+v", s)
				}
			}
		}
	}
}

// TestStages: a chain of two backends gives the logits of one.
func TestStages(t *testing.T) {
	long(t)
	whole := newRunner(t, builtIn, openTest(t, options{}), 64)
	want := whole.logits(whole.program(len(prompt), 1, false))
	cut := 2
	first, second := whole.m.Whole(), whole.m.Whole()
	first.End, first.Head = cut, false
	second.First, second.Embed = cut, false
	hidden := model.Outputs{}
	in := whole.batch(prompt, 0, 1)
	for i, st := range []model.Stage{first, second} {
		be := []model.Backend{reference(t), openTest(t, options{})}[i]
		plan, err := whole.m.Plan(st, whole.room)
		if err != nil {
			t.Fatal(err)
		}
		if err := be.Load(t.Context(), whole.m.File, plan); err != nil {
			t.Fatal(err)
		}
		p, err := be.Compile(plan, model.CompileOptions{Size: model.Size{Tokens: 16, Want: 1}})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(t.Context(), in, &hidden); err != nil {
			t.Fatal(err)
		}
		in.Rows = hidden.Rows
	}
	equal(t, hidden.Rows, want)
}

// TestLost: a device that is lost on the way says where, refuses what follows, and
// a new backend on it continues the text as if nothing had been.
func TestLost(t *testing.T) {
	after := 1000 // enough to load and compile
	b := openTest(t, options{OpenOptions: model.OpenOptions{Fault: func(call, _ string) error {
		if call == "submit" {
			if after--; after < 0 {
				return fmt.Errorf("made to fail: %w", vk.ErrDeviceLost)
			}
		}
		return nil
	}}})
	r := newRunner(t, builtIn, b, 64)
	p := r.program(len(prompt), 1, false)
	want := r.logits(p)
	after = 0
	var out model.Outputs
	err := p.Run(t.Context(), r.batch(prompt, 0, 1), &out)
	var lost *LostError
	if !errors.As(err, &lost) || !errors.Is(err, vk.ErrDeviceLost) || !errors.Is(err, model.ErrLost) || lost.First != "embd" || lost.Last != "logits" {
		t.Fatalf("the error is %v", err)
	}
	t.Log(err)
	if err := p.Run(t.Context(), r.batch(prompt, 0, 1), &out); !errors.As(err, &lost) {
		t.Errorf("a run after the loss: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	again := newRunner(t, builtIn, openTest(t, options{}), 64)
	if got := again.logits(again.program(len(prompt), 1, false)); !slices.Equal(got, want) {
		t.Error("the answer differs after recreation")
	}
}

// TestLoadFails: a load that fails, or is cancelled, leaves nothing allocated, and
// the backend can only be closed; a second load is refused.
func TestLoadFails(t *testing.T) {
	m := backendtest.Open(t, builtIn)
	plan, err := m.Plan(m.Whole(), model.Room{Pages: 4})
	if err != nil {
		t.Fatal(err)
	}
	o := model.CompileOptions{Size: model.Size{Tokens: 1, Want: 1}}
	cancelled, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, c := range map[string]struct {
		ctx   context.Context
		fault error // of every submit
		is    error
	}{
		"device memory": {t.Context(), vk.ErrOutOfDeviceMemory, model.ErrNoMemory},
		"host memory":   {t.Context(), vk.ErrOutOfHostMemory, model.ErrNoMemory},
		"lost":          {t.Context(), vk.ErrDeviceLost, model.ErrLost},
		"cancelled":     {cancelled, nil, context.Canceled},
	} {
		b := openTest(t, options{OpenOptions: model.OpenOptions{
			Fault: func(call, subject string) error {
				if call == "submit" {
					return c.fault
				}
				return nil
			},
			Progress: func(what string, done, total int64) {
				if c.fault == nil && what == "weights" && done > total/2 {
					cancel()
				}
			},
		}})
		if err := b.Load(c.ctx, m.File, plan); !errors.Is(err, c.is) {
			t.Errorf("%s: Load: %v", name, err)
		}
		if n := b.Info().Held; n != 0 {
			t.Errorf("%s: %d bytes are left", name, n)
		}
		if err := b.Load(t.Context(), m.File, plan); err == nil {
			t.Errorf("%s: loaded after a failure", name)
		}
		if _, err := b.Compile(plan, o); err == nil {
			t.Errorf("%s: compiled after a failure", name)
		}
		if err := b.Pages().Copy(t.Context(), 0, 0, 1); err == nil {
			t.Errorf("%s: copied a page after a failure", name)
		}
	}
	b := openTest(t, options{})
	if _, err := b.Compile(plan, o); err == nil {
		t.Error("compiled before Load")
	}
	for i := range 2 {
		if err := b.Load(t.Context(), m.File, plan); (err == nil) != (i == 0) {
			t.Errorf("load %d: %v", i+1, err)
		}
	}
	if _, err := b.Compile(plan, o); err != nil {
		t.Error(err)
	}
	other, err := m.Plan(m.Whole(), model.Room{Pages: 5})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Compile(other, o); err == nil {
		t.Error("compiled a plan with more memory than was loaded")
	}
}
