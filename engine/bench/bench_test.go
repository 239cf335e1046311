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
	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/testdata"
)

func open(t *testing.T, o engine.Options) *engine.Engine {
	t.Helper()
	f, err := loader.FromBytes("built in", testdata.Model)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(f, o)
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
	if !slices.Equal(names, want) || Context(tests) != 4096+512+1 {
		t.Errorf("%v, context %d", names, Context(tests))
	}
}

// TestAgreesWithGenerate: the rates are those of a generation timed on its own.
// Other work on the machine can slow either by any factor, so the two take turns
// and the best of each is compared: what is left is the difference of the paths.
func TestAgreesWithGenerate(t *testing.T) {
	const n, rounds = 32, 3
	e := open(t, engine.Options{Device: "cpu", Context: 256})
	tests := []Test{{Prompt: 64}, {Gen: n}}
	// The timings of `eclat run`: the prompt until its first token is chosen; then
	// n−1 steps.
	once := func() (pp, tg time.Duration) {
		s := e.NewSession()
		defer s.Close()
		st, err := s.Generate(context.Background(), prompt(e, 64), engine.Request{MaxTokens: 1, IgnoreEOS: true})
		if err != nil {
			t.Fatal(err)
		}
		pp = st.PromptTime
		s.Rewind(0)
		if st, err = s.Generate(context.Background(), prompt(e, 1), engine.Request{MaxTokens: n, IgnoreEOS: true}); err != nil {
			t.Fatal(err)
		}
		return pp, st.GenerateTime * n / (n - 1)
	}
	best := [4]time.Duration{math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64}
	var results []Result
	agree := func(a, b time.Duration) bool { return math.Abs(float64(a)/float64(b)-1) < 0.05 }
	for i := range 10 * rounds {
		once() // warms up, as the bench does
		pp, tg := once()
		pp2, tg2 := once()
		pp, tg = min(pp, pp2), min(tg, tg2)
		r, err := Run(context.Background(), e, tests, Options{Repeat: 2})
		if err != nil {
			t.Fatal(err)
		}
		for j, d := range []time.Duration{pp, tg, slices.Min(r[0].Samples), slices.Min(r[1].Samples)} {
			best[j] = min(best[j], d)
		}
		results = r
		if i >= rounds && agree(best[2], best[0]) && agree(best[3], best[1]) {
			break
		}
	}
	t.Logf("pp64: %v alone, %v in the bench; tg%d: %v, %v", best[0], best[2], n, best[1], best[3])
	if !agree(best[2], best[0]) || !agree(best[3], best[1]) {
		t.Errorf("the bench's times differ from a generation's by more than 5 %%")
	}
	for _, r := range results {
		mean, dev := r.Rate()
		if len(r.Samples) != 2 || !(mean > 0) || math.IsNaN(dev) || r.Start.IsZero() {
			t.Errorf("%+v", r)
		}
	}
}

func TestDepth(t *testing.T) {
	e := open(t, engine.Options{Device: "cpu", Context: 200})
	d, err := Measure(context.Background(), e, []Test{{Prompt: 20, Depth: 100}, {Gen: 5, Depth: 100}}, Options{Repeat: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range d.Results {
		if !(r.OfLimit > 0 && r.OfLimit < 100) {
			t.Errorf("%s: %g of the limit", r.Name(), r.OfLimit)
		}
	}
	if !(d.Parts[0].Copy > 1e8) || !(d.MatMul > 1e7) || d.Load <= 0 || d.HostPeak < 1<<20 {
		t.Errorf("copy %g B/s, matmul %g/s, load %v, peak %d B", d.Parts[0].Copy, d.MatMul, d.Load, d.HostPeak)
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

// TestTotal: what Run counts is what Total says.
func TestTotal(t *testing.T) {
	e := open(t, engine.Options{Device: "cpu", Context: 200})
	for _, o := range []Options{{Repeat: 2}, {Repeat: 1, NoWarmup: true}} {
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
		if math.Abs(share-1) > 1e-9 || calls != len(steps) || sum > p.Total || p.Total > 10*sum {
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
	shape := Shape{"test", 3, 512, 768, 4, 2, 64, 600, 1024, 1e6, false}
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
	e, err := engine.Open(f, engine.Options{Device: "cpu", Context: 64})
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
