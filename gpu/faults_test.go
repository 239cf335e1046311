//go:build cgo && !novulkan

package gpu

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"eclat/cpu"
	"eclat/gpu/vk"
	"eclat/loader"
	"eclat/model"
)

var prompt = []int32{1, 134, 165, 1127, 828, 331, 323, 1595}

// open opens the backend with validation and closes it with the test.
func open(t testing.TB, o Options) *Backend {
	t.Helper()
	b, err := Open(device(t), strict(t, o))
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
	if err := p.Run(r.inputs(prompt, 0, 1), &out); err != nil {
		r.t.Fatal(err)
	}
	return slices.Clone(out.Result)
}

func TestRunAllocatesNothing(t *testing.T) {
	b := open(t, Options{})
	r := newRunner(t, builtIn, b, 256)
	for _, sample := range []bool{false, true} {
		p := r.program(1, 1, sample)
		in := r.inputs(prompt[:1], 0, 1)
		var out model.Outputs
		if n := testing.AllocsPerRun(10, func() {
			if err := p.Run(in, &out); err != nil {
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
	plain := newRunner(t, builtIn, open(t, Options{}), 64)
	p := plain.program(len(prompt), 1, false)
	if n := len(p.(*program).segments); n != 1 {
		t.Errorf("%d submits for a small model", n)
	}
	want := plain.logits(p)
	if again := plain.logits(p); !slices.Equal(want, again) {
		t.Error("two runs differ")
	}

	t.Run("unmapped", func(t *testing.T) {
		b := open(t, Options{})
		b.unmapped = true
		r := newRunner(t, builtIn, b, 64)
		if got := r.logits(r.program(len(prompt), 1, false)); !slices.Equal(got, want) {
			t.Error("the answer differs")
		}
	})
	t.Run("submits", func(t *testing.T) {
		r := newRunner(t, builtIn, open(t, Options{SubmitTime: 1}), 64)
		p := r.program(len(prompt), 1, false)
		if n := len(p.(*program).segments); n < 50 {
			t.Errorf("%d submits", n)
		}
		if got := r.logits(p); !slices.Equal(got, want) {
			t.Error("the answer differs")
		}
	})
	t.Run("slower", func(t *testing.T) {
		r := newRunner(t, builtIn, open(t, Options{}), 64)
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
		b := open(t, Options{})
		b.kernels.info.Limits.MaxStorageRange = 40 << 10
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
			b := open(t, Options{Tune: TuneAlways, CacheDir: cache, Fault: func(call, subject string) error {
				if subject == "tuning" {
					calls++
				}
				return nil
			}})
			r := newRunner(t, builtIn, b, 64)
			near(t, r.logits(r.program(len(prompt), 1, false)), want)
			if round == 0 && calls == 0 || round == 1 && calls > 0 {
				t.Errorf("round %d: %d measurements", round, calls)
			}
			t.Logf("%d measurements: %v", calls, b.kernels.Choices())
			calls = 0
		}
	})
	t.Run("plain", func(t *testing.T) {
		var warned []string
		b := open(t, Options{
			Warn: func(m string) { warned = append(warned, m) },
			Fault: func(call, kernel string) error {
				if call == "pipeline" && (strings.HasSuffix(kernel, "_texel") || kernel == "rmsnorm") {
					return errors.New("made to fail")
				}
				return nil
			},
		})
		r := newRunner(t, builtIn, b, 64)
		got := r.logits(r.program(len(prompt), 1, false))
		if len(warned) == 0 || !strings.Contains(warned[0], "plainer") {
			t.Errorf("warnings: %q", warned)
		}
		near(t, got, want)
	})
}

// near allows for sums in another order.
func near(t *testing.T, got, want []float32) {
	t.Helper()
	var num, den float64
	for i := range want {
		d := float64(got[i] - want[i])
		num, den = num+d*d, den+float64(want[i])*float64(want[i])
	}
	if !(num <= 1e-8*den) {
		t.Errorf("NMSE %g", num/den)
	}
}

// TestHostSamples: what the kernels can't rank is sampled on the host, from the
// same logits and with the same numbers.
func TestHostSamples(t *testing.T) {
	for _, unmapped := range []bool{false, true} {
		b := open(t, Options{})
		b.unmapped = unmapped
		r := newRunner(t, builtIn, b, 64)
		logits := r.logits(r.program(len(prompt), 1, false))
		p := r.program(len(prompt), 1, true)
		for seed := range uint64(8) {
			how := model.Sampling{Temp: 1.5, TopP: 0.99, Seed: seed}
			in := r.inputs(prompt, 0, 1)
			in.Sampling[0] = how
			var out model.Outputs
			if err := p.Run(in, &out); err != nil {
				t.Fatal(err)
			}
			var s model.Sampler
			if want := s.Pick(logits, how, int32(len(prompt)-1)); out.Tokens[0] != want {
				t.Errorf("unmapped %v, seed %d: token %d, want %d", unmapped, seed, out.Tokens[0], want)
			}
		}
	}
}

// TestProfile: every dispatch has a time, and their sum is about a run's.
func TestProfile(t *testing.T) {
	b := open(t, Options{})
	r := newRunner(t, builtIn, b, 64)
	p := r.program(1, 1, true)
	in := r.inputs(prompt[:1], 0, 1)
	steps, err := b.Profile(p, in)
	if errors.Is(err, vk.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	for _, s := range steps {
		sum += s.Time
		if s.Time < 0 || s.Time > time.Second || s.Kernel == "" || s.Tensor == "" {
			t.Errorf("%+v", s)
		}
	}
	t.Logf("%d dispatches, %v", len(steps), sum)
	if sum == 0 {
		t.Error("no time has gone by")
	}
}

// TestStages: a chain of two backends gives the logits of one.
func TestStages(t *testing.T) {
	gpu, host := open(t, Options{}), cpu.New(cpu.Options{Threads: 2})
	defer host.Close()
	r := newRunner(t, builtIn, host, 64)
	want := r.logits(r.program(len(prompt), 1, false))
	cut := 2
	first, second := r.m.Whole(), r.m.Whole()
	first.End, first.Head = cut, false
	second.First, second.Embed = cut, false
	hidden := model.Outputs{}
	in := r.inputs(prompt, 0, 1)
	for i, st := range []model.Stage{first, second} {
		be := []model.Backend{model.Backend(cpu.NewRef()), gpu}[i]
		plan, err := r.m.Plan(st, 16, 1, r.pages)
		if err != nil {
			t.Fatal(err)
		}
		if err := be.Load(r.m.File, plan.Keep()); err != nil {
			t.Fatal(err)
		}
		p, err := be.Compile(plan)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(in, &hidden); err != nil {
			t.Fatal(err)
		}
		in.Hidden = hidden.Result
	}
	near(t, hidden.Result, want)
}

// TestLost: a device that is lost on the way says where, refuses what follows, and
// a new backend on it continues the text as if nothing had been.
func TestLost(t *testing.T) {
	after := 3
	b := open(t, Options{Fault: func(call, _ string) error {
		if call == "submit" {
			if after--; after < 0 {
				return fmt.Errorf("made to fail: %w", vk.ErrDeviceLost)
			}
		}
		return nil
	}})
	r := newRunner(t, builtIn, b, 64)
	p := r.program(len(prompt), 1, false)
	want := r.logits(p)
	after = 0
	var out model.Outputs
	err := p.Run(r.inputs(prompt, 0, 1), &out)
	var lost *LostError
	if !errors.As(err, &lost) || !errors.Is(err, vk.ErrDeviceLost) || lost.First != "embd" || lost.Last != "logits" {
		t.Fatalf("the error is %v", err)
	}
	t.Log(err)
	if err := p.Run(r.inputs(prompt, 0, 1), &out); !errors.As(err, &lost) {
		t.Errorf("a run after the loss: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	again := newRunner(t, builtIn, open(t, Options{}), 64)
	if got := again.logits(again.program(len(prompt), 1, false)); !slices.Equal(got, want) {
		t.Error("the answer differs after recreation")
	}
}

// TestLoadFails: a load that fails leaves nothing allocated.
func TestLoadFails(t *testing.T) {
	b := open(t, Options{Fault: func(call, subject string) error {
		if call == "submit" {
			return vk.ErrOutOfDeviceMemory
		}
		return nil
	}})
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := m.Plan(m.Whole(), 1, 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Load(f, plan.Keep()); !errors.Is(err, vk.ErrOutOfDeviceMemory) {
		t.Errorf("Load: %v", err)
	}
	if b.Memory() != 0 {
		t.Errorf("%d bytes are left", b.Memory())
	}
}

// resident returns the bytes of this process that are in memory.
func resident(t *testing.T) int64 {
	var size, pages int64
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc/self/statm")
	}
	fmt.Sscan(string(data), &size, &pages)
	return pages * int64(os.Getpagesize())
}

// TestOpenCloseCycles: 100 lives of a backend leave no memory behind.
func TestOpenCloseCycles(t *testing.T) {
	info, cache := device(t), t.TempDir()
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := m.Plan(model.Stage{End: 1, Embed: true}, 1, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	in := model.Inputs{Tokens: []int32{1}, Pos: []int32{0}, Seq: []int32{0}, Pages: [][]int32{{1, 0}}}
	cycles := func(n int) {
		for range n {
			b, err := Open(info, Options{CacheDir: cache})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Load(f, plan.Keep()); err != nil {
				t.Fatal(err)
			}
			p, err := b.Compile(plan)
			if err != nil {
				t.Fatal(err)
			}
			var out model.Outputs
			if err := p.Run(in, &out); err != nil {
				t.Fatal(err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
		}
		debug.FreeOSMemory()
	}
	cycles(20) // the driver's own caches fill
	// A leak shows in every span; a single step is an arena of the C library for
	// another thread.
	var spans []int64
	for range 5 {
		before := resident(t)
		cycles(20)
		spans = append(spans, (resident(t)-before)>>10)
	}
	t.Logf("KiB more after each 20 cycles: %v", spans)
	slices.Sort(spans)
	if spans[2] > 1<<10 {
		t.Errorf("%d KiB more after 20 cycles", spans[2])
	}
}

// TestTwoAtOnce: backends on one device don't disturb each other.
func TestTwoAtOnce(t *testing.T) {
	want := newRunner(t, builtIn, open(t, Options{}), 64)
	answer := want.logits(want.program(len(prompt), 1, false))
	t.Run("group", func(t *testing.T) {
		for range 3 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for range 3 {
					b := open(t, Options{})
					r := newRunner(t, builtIn, b, 64)
					p := r.program(len(prompt), 1, false)
					for range 5 {
						if got := r.logits(p); !slices.Equal(got, answer) {
							t.Error("the answer differs")
						}
					}
					if err := b.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	})
}
