package bench

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"eclat/engine"
	"eclat/engine/enginetest"
	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/testdata"
)

func open(t testing.TB, o engine.Options) *engine.Engine {
	t.Helper()
	f, err := loader.FromBytes("built in", testdata.Model)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(context.Background(), f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestNames(t *testing.T) {
	tests := Tests([]int{512, 0}, []int{128}, []int{0, 4096})
	var names []string
	for _, x := range tests {
		names = append(names, x.Name())
	}
	want := []string{"pp512", "tg128", "pp512 @ d4096", "tg128 @ d4096"}
	if !slices.Equal(names, want) || Context(tests) != 4096+512 {
		t.Errorf("%v, context %d", names, Context(tests))
	}
}

// TestRun: what stands before is computed once for all repetitions, and only what a
// test's name says is counted.
func TestRun(t *testing.T) {
	ctx := context.Background()
	e := open(t, engine.Options{Device: "cpu", Context: 160})
	tests := []Test{{Prompt: 20, Depth: 100}, {Gen: 5, Depth: 100}, {Prompt: 9}, {Gen: 3}}
	results, err := Run(ctx, e, tests, Options{Repeat: 3})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		mean, dev := r.Rate()
		if r.Test != tests[i] || len(r.Samples) != 3 || !(mean > 0) || math.IsNaN(dev) || r.Start.IsZero() {
			t.Errorf("%+v", r)
		}
	}
	// Prompts at depth 100 stand on four whole pages, texts on all but the last of their
	// 100; of both, a warm-up and three repetitions.
	want := 4*model.PageLen + 4*20 +
		4 + (1 + 2) + 3*(1+5) +
		4*9 +
		(1 + 2) + 3*(1+3)
	if c, err := e.Counters(ctx); err != nil || c.Computed != want {
		t.Errorf("%d tokens were computed, want %d; %v", c.Computed, want, err)
	}
}

// TestMeasure: every limit of the processor is known, and the rates are set against it.
func TestMeasure(t *testing.T) {
	e := open(t, engine.Options{Device: "cpu", Context: 200})
	d, err := Measure(context.Background(), e, []Test{{Prompt: 20, Depth: 100}, {Gen: 5, Depth: 100}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range d.Results {
		if !(r.OfLimit > 0) || math.IsInf(r.OfLimit, 0) {
			t.Errorf("%s: %g of the limit", r.Name(), r.OfLimit)
		}
	}
	if !(d.Parts[0].Read > 0) || d.Parts[0].Copy != 0 || !(d.MatMul > 0) || d.Load <= 0 || d.HostPeak < 1<<20 || d.GPUMemory != 0 || d.Unknown != nil {
		t.Errorf("%+v", d)
	}
}

// TestRate: measuring holds nobody up who does not want to wait any more.
func TestRate(t *testing.T) {
	if rate, err := Rate(context.Background(), func() (float64, error) { return 7, nil }); rate != 7 || err != nil {
		t.Errorf("%g, %v", rate, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	forever := make(chan struct{})
	defer close(forever)
	_, err := Rate(ctx, func() (float64, error) { cancel(); <-forever; return 7, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// TestSeen counts positions one by one.
func TestSeen(t *testing.T) {
	for _, window := range []int{0, 1, 7, 30, 100} {
		for _, before := range []int{0, 3, 6, 7, 29, 40} {
			want := 0
			for i := range 20 {
				n := before + i + 1
				if window > 0 {
					n = min(n, window)
				}
				want += n
			}
			if got := seen(before, 20, window); got != float64(want) {
				t.Errorf("20 tokens after %d with a window of %d see %g, want %d", before, window, got, want)
			}
		}
	}
}

// BenchmarkRun is the way of `eclat bench` on the built-in model.
func BenchmarkRun(b *testing.B) {
	for _, test := range []Test{{Prompt: 64}, {Gen: 32}, {Gen: 32, Depth: 512}} {
		b.Run(test.Name(), func(b *testing.B) {
			e := open(b, engine.Options{Device: "cpu", Context: Context([]Test{test})})
			r, err := Run(context.Background(), e, []Test{test}, Options{Repeat: b.N})
			if err != nil {
				b.Fatal(err)
			}
			mean, _ := r[0].Rate()
			b.ReportMetric(mean, "tokens/s")
		})
	}
}

// TestNotFinite: what is no answer has no rate.
func TestNotFinite(t *testing.T) {
	for _, device := range []string{"cpu", "ref"} {
		f, err := loader.FromBytes("infinite", enginetest.Infinite())
		if err != nil {
			t.Fatal(err)
		}
		e, err := engine.Open(context.Background(), f, engine.Options{Device: device, Context: 64})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for _, test := range []Test{{Prompt: 8}, {Gen: 8}} {
			if _, err := Run(context.Background(), e, []Test{test}, Options{}); !errors.Is(err, engine.ErrNotFinite) {
				t.Errorf("%s on %s: error %v, want %v", test.Name(), device, err, engine.ErrNotFinite)
			}
		}
	}
}

func TestCancelled(t *testing.T) {
	e := open(t, engine.Options{Device: "cpu", Context: 200})
	ctx, cancel := context.WithCancel(context.Background())
	var done atomic.Int64
	go func() {
		for done.Load() < 5 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := Run(ctx, e, []Test{{Gen: 100}}, Options{Repeat: 100, Done: &done})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// TestProof: a proof is of one repetition, whatever was measured, and depends on
// nothing but the test; without the wish there is none.
func TestProof(t *testing.T) {
	tests := []Test{{Prompt: 9}, {Gen: 3}, {Gen: 3, Depth: 40}}
	var want []Result
	for _, threads := range []int{1, 3} {
		e := open(t, engine.Options{Device: "cpu", Context: 200, Threads: threads})
		got, err := Run(context.Background(), e, tests, Options{Repeat: threads, Proof: true})
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		for i, r := range got {
			if rows := 1 + r.Gen; r.Proof != want[i].Proof || r.Proof.Rows != rows || r.Proof.Tokens != rows || len(r.Samples) != threads {
				t.Errorf("%s, %d threads: %v, want %d rows, and %v", r.Name(), threads, r.Proof, rows, want[i].Proof)
			}
		}
		if got, err = Run(context.Background(), e, tests, Options{}); err != nil || got[0].Proof != (engine.Proof{}) {
			t.Errorf("%v, %v without asking for a proof", got[0].Proof, err)
		}
	}
	if want[1].Proof == want[2].Proof {
		t.Error("two tests have one proof")
	}
}

// TestTotal: what Run counts is what Total says.
func TestTotal(t *testing.T) {
	e := open(t, engine.Options{Device: "cpu", Context: 200})
	for _, o := range []Options{{Repeat: 2}, {Repeat: 1, NoWarmup: true}, {Repeat: 1, Proof: true}} {
		var done atomic.Int64
		o.Done = &done
		tests := Tests([]int{7, 40}, []int{3}, []int{0, 33})
		if _, err := Run(context.Background(), e, tests, o); err != nil {
			t.Fatal(err)
		}
		if done.Load() != Total(tests, o) {
			t.Errorf("%d tokens counted of %d", done.Load(), Total(tests, o))
		}
	}
}

// TestProfile: the kernels of a token are all its steps, their shares make one,
// and the bytes are the model's.
func TestProfile(t *testing.T) {
	for _, device := range []string{"cpu", "ref"} {
		e := open(t, engine.Options{Device: device, Context: 64})
		p, err := RunProfile(context.Background(), e, 4)
		if err != nil {
			t.Fatal(err)
		}
		steps, _ := e.Steps()
		var share float64
		var calls int
		var sum time.Duration
		var bytes int64
		for _, k := range p.Kernels {
			share += k.Share
			calls += k.Calls
			sum += k.Time
			if k.Op != model.Attention {
				bytes += k.Bytes
			}
		}
		if math.Abs(share-1) > 1e-9 || calls != len(steps) || sum <= 0 || sum > p.Total {
			t.Errorf("%s: shares sum to %g, %d calls of %d steps, %v of %v", device, share, calls, len(steps), sum, p.Total)
		}
		if all := Bytes(e); bytes < all/2 || bytes > all*11/10 {
			t.Errorf("%s: %d bytes read, the weights are %d", device, bytes, all)
		}
	}
}

// TestShapes: sizes are those of the published files.
func TestShapes(t *testing.T) {
	s, err := ParseShape("magistral-small-2509")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[quant.Type]int{}
	for _, p := range s.parts() {
		kinds[p.ty]++
	}
	if s.Params() != 23_572_403_200 || s.Bytes() != 14_326_026_240 ||
		kinds[quant.F32] != 81 || kinds[quant.Q6_K] != 41 || kinds[quant.Q4_K] != 241 {
		t.Errorf("%d weights in %d bytes, %v", s.Params(), s.Bytes(), kinds)
	}
	for name, params := range map[string]int64{ // published
		"llama-3.1-8b": 8_030_261_248, "llama-3.2-3b": 3_212_749_824, "llama-3.2-1b": 1_235_814_400,
		"mistral-7b-v0.3": 7_248_023_552, "llama-2-7b": 6_738_415_616, "llama-2-13b": 13_015_864_320,
		"tinyllama-1.1b": 1_100_048_384, "mistral-nemo-12b": 12_247_782_400,
	} {
		s, err := ParseShape(name)
		if err != nil || s.Params() != params {
			t.Errorf("%s: %d weights, published are %d; %v", name, s.Params(), params, err)
		}
	}
	for _, bad := range []string{"", "gpt-5", "llama-3.2-1b:0", "llama-3.2-1b:17", "llama-3.2-1b:x"} {
		if _, err := ParseShape(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// TestSynthetic: a shape becomes a file that runs, with numbers that stay finite.
func TestSynthetic(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	shape := llama("test", 3, 512, 768, 4, 2, 64, 600, 1024, 1e6, false)
	m, err := Synthetic(context.Background(), shape, nil)
	if err != nil {
		t.Fatal(err)
	}
	none := func(when string) {
		t.Helper()
		if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "eclat-*")); len(left) > 0 {
			t.Errorf("%s: in the temporary folder are %v", when, left)
		}
	}
	if unlinkOpen { // nothing can be left behind by a program that is killed
		none("in use")
	}
	f, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(context.Background(), f, engine.Options{Device: "cpu", Context: 64})
	if err != nil {
		t.Fatal(err)
	}
	if Bytes(e) != shape.Bytes() || Params(e) != shape.Params() || ModelType(e) != "llama 5.3M Q4_K - Medium" {
		t.Errorf("%d bytes, %d weights, %q", Bytes(e), Params(e), ModelType(e))
	}
	r, err := Run(context.Background(), e, []Test{{Prompt: 8}, {Gen: 4}}, Options{Repeat: 1})
	if err != nil || len(r) != 2 {
		t.Errorf("%v, %v", r, err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if f, err = m.Open(); err != nil { // once more
		t.Fatal(err)
	}
	f.Close()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	none("closed")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Synthetic(ctx, shape, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	none("cancelled")
	huge := Shapes[0]
	huge.FF *= 1 << 10
	if _, err := Synthetic(context.Background(), huge, nil); !errors.Is(err, engine.ErrMemory) {
		t.Errorf("a model of %d GB: %v", huge.Bytes()>>30, err)
	}
}

// TestMeter reads counters as Linux shows them, one of them starting again.
func TestMeter(t *testing.T) {
	dir := t.TempDir()
	put := func(zone, file, text string) {
		t.Helper()
		p := filepath.Join(dir, zone)
		if err := os.MkdirAll(p, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p, file), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if meterAt(dir) != nil {
		t.Error("a meter of nothing")
	}
	for _, z := range []string{"intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0", "intel-rapl:2"} {
		put(z, "name", "package")
		put(z, "energy_uj", "9000000")
		put(z, "max_energy_range_uj", "10000000")
	}
	put("intel-rapl:2", "name", "psys") // the whole machine: the packages again
	m := meterAt(dir)
	before := m.Joules()
	put("intel-rapl:0", "energy_uj", "9500000")
	put("intel-rapl:0:0", "energy_uj", "9500000")
	put("intel-rapl:1", "energy_uj", "1000000")
	put("intel-rapl:2", "energy_uj", "9900000")
	if got := m.Since(before); math.Abs(got-2.5) > 1e-9 {
		t.Errorf("%g J, want 0.5 of one package and 2 of the other", got)
	}
	if (*Meter)(nil).Since(nil) != 0 || (*Meter)(nil).Joules() != nil {
		t.Error("no meter read something")
	}
}

// TestWorkOfExperts: what a token costs is what it reads of the experts, not what there is.
func TestWorkOfExperts(t *testing.T) {
	c := model.Config{NLayer: 1}
	w := newWork(&c, []engine.ProbeStep{
		{Op: model.MatMul, Type: quant.Q8_0, Fixed: 34 * 10},
		{Op: model.MatMulExperts, Type: quant.Q4_K, Row: 144 * 3},
	})
	if got := w.layers[0].bytes; got != 340+432 {
		t.Errorf("%d bytes a token, want 772", got)
	}
	if want := 2.0 * (320 + 768); w.prompt != want {
		t.Errorf("%g operations a token of a prompt, want %g", w.prompt, want)
	}
}
