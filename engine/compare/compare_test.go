package compare

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"eclat/engine"
	"eclat/engine/enginetest"
	"eclat/engine/stats"
	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/testdata"
)

// text is teacher-forced in most tests.
const text = "The Congress of the United States has the power to lay and collect taxes"

// devices lists what there is to compare with the reference.
func devices(t *testing.T) (out []string) {
	list, err := engine.Devices(0)
	if err != nil {
		t.Log("no GPU at hand:", err)
	}
	for _, d := range list {
		if info := d.Info(); info.Kind != model.Reference {
			out = append(out, info.ID)
		}
	}
	return out
}

func open(t *testing.T, data []byte, device string) *engine.Engine {
	t.Helper()
	f, err := loader.FromBytes("test model", data)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(context.Background(), f, engine.Options{Device: device, Context: 1024})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func live(t *testing.T, e *engine.Engine, batch int) *Live {
	t.Helper()
	l, err := NewLive(context.Background(), e, e.Prompt(text, false), batch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func run(t *testing.T, got, want Side) *Result {
	t.Helper()
	r, err := Run(context.Background(), got, want, DefaultLimits, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSound: every device at hand passes on a sound model, reading many tokens at
// once and one at a time.
func TestSound(t *testing.T) {
	models := map[string][]byte{"built in": testdata.Model}
	more, _ := filepath.Glob("../../../shared/models/[ho]*.gguf")
	for _, path := range more {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) < 8<<20 {
			models[filepath.Base(path)] = b
		}
	}
	for name, data := range models {
		ref := open(t, data, "ref")
		sum := "" // of all devices and batches
		for _, device := range devices(t) {
			e := open(t, data, device)
			for _, batch := range []int{0, 1} {
				r := run(t, live(t, e, batch), live(t, ref, 0))
				l := r.Logits
				worst := slices.MaxFunc(r.Tensors, func(a, b TensorResult) int {
					if a.Worst < b.Worst {
						return -1
					}
					return 1
				})
				t.Logf("%s on %s, batch %d: worst row %.2g (%s), KL mean %.2g 99%% %.2g, |Δlp| %.2g, same top %.3f, max |Δlogit| %.2g",
					name, e.Device(), batch, worst.Worst, worst.Name, l.KLMean, l.KL99, l.LogProb, l.SameTop, l.MaxDiff)
				if sum == "" {
					sum = r.Sum
				}
				if p := r.FirstDiff; p != nil || len(r.Sum) != 64 || r.Sum != sum {
					t.Errorf("%s on %s, batch %d: not equal: %+v, sum %q, want %q", name, e.Device(), batch, p, r.Sum, sum)
				}
				if !r.Pass() {
					t.Errorf("%s on %s, batch %d: %s", name, e.Device(), batch, strings.Join(r.Failures, "; "))
				}
			}
		}
	}
	same := run(t, live(t, open(t, testdata.Model, "ref"), 0), live(t, open(t, testdata.Model, "ref"), 0))
	if same.FirstDiff != nil || len(same.Sum) != 64 || same.Logits.KLMax != 0 || same.Logits.MaxDiff != 0 || same.Logits.SameTop != 1 {
		t.Errorf("the reference differs from itself: %+v %+v", same.FirstDiff, same.Logits)
	}
}

// damage returns the built-in model with the scales of the first blocks of a
// tensor multiplied: all of them for share 1.
func damage(t *testing.T, name string, factor float32, share float64) []byte {
	t.Helper()
	data := slices.Clone(testdata.Model)
	f, err := loader.FromBytes("copy", data)
	if err != nil {
		t.Fatal(err)
	}
	x := f.Tensor(name)
	_, size := x.Type.Block()
	at := map[quant.Type]int{quant.Q4_K: 0, quant.Q6_K: 208}[x.Type] // of the block's scale
	scale := func(b []byte) {
		h := quant.HalfToFloat(binary.LittleEndian.Uint16(b))
		binary.LittleEndian.PutUint16(b, quant.FloatToHalf(h*factor))
	}
	blocks := len(x.Data) / size
	for i := range max(1, int(share*float64(blocks))) {
		switch x.Type {
		case quant.F32:
			b := x.Data[4*i:]
			binary.LittleEndian.PutUint32(b, math.Float32bits(factor*math.Float32frombits(binary.LittleEndian.Uint32(b))))
		default:
			scale(x.Data[i*size+at:])
		}
	}
	return data
}

// TestDamaged: the first tensor named is the one whose weight was changed, on the
// same device and on another.
func TestDamaged(t *testing.T) {
	for _, c := range []struct {
		weight, step string
		factor       float32
		share        float64
	}{
		{"blk.3.ffn_down.weight", "blk.3.ffn_down", 1.1, 1},
		{"blk.0.attn_q.weight", "blk.0.attn_q", 0.9, 1},
		{"blk.5.attn_v.weight", "blk.5.attn_v", 1.03, 1},
		{"blk.2.attn_norm.weight", "blk.2.attn_norm", 1.02, 1},
		{"blk.1.ffn_gate.weight", "blk.1.ffn_gate", 2, 0.02},
		{"output_norm.weight", "output_norm", 1.05, 1},
	} {
		bad := damage(t, c.weight, c.factor, c.share)
		for _, device := range []string{"ref", "cpu"} {
			r := run(t, live(t, open(t, bad, device), 0), live(t, open(t, testdata.Model, "ref"), 0))
			if r.Pass() || r.First == nil || r.First.Tensor != c.step {
				t.Errorf("%s × %g on %s: first divergent %+v, failures %v; want %s", c.weight, c.factor, device, r.First, r.Failures, c.step)
				continue
			}
			if r.First.Position != 0 || r.First.Got == r.First.Want {
				t.Errorf("%s on %s: %+v", c.weight, device, r.First)
			}
			if r.FirstDiff.Tensor != c.step || r.Sum != "" {
				t.Errorf("%s on %s: first unequal tensor %s, sum %q", c.weight, device, r.FirstDiff.Tensor, r.Sum)
			}
		}
	}
}

// TestSaved: a saved run stands in for the side it was made from; a bounded one
// keeps the logits whole and a share of the rest.
func TestSaved(t *testing.T) {
	ref, cpu := open(t, testdata.Model, "ref"), open(t, testdata.Model, "cpu")
	want := run(t, live(t, cpu, 0), live(t, ref, 0))
	for _, limit := range []int64{1 << 30, 800 << 10} {
		path := filepath.Join(t.TempDir(), "a.run")
		if err := Save(context.Background(), path, live(t, ref, 0), limit, nil); err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(path); err != nil || st.Size() > limit+16<<10 {
			t.Errorf("%v bytes, the limit is %d; %v", st.Size(), limit, err)
		}
		s, err := OpenSaved(path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r := run(t, live(t, cpu, 0), s)
		if !r.Pass() || r.Logits.KLMean != want.Logits.KLMean || r.Logits.MaxDiff != want.Logits.MaxDiff {
			t.Errorf("limit %d: %+v, live %+v", limit, r.Logits, want.Logits)
		}
		every := s.Header().Tensors[3].Every
		if whole := limit == 1<<30; whole != (every == 1) {
			t.Errorf("limit %d: every %d kept", limit, every)
		}
		for i, x := range r.Tensors {
			if e := want.Tensors[i].Error; every == 1 && x.Error != e || x.Error > 100*e+1e-12 {
				t.Errorf("limit %d: %s differs by %g, live by %g", limit, x.Name, x.Error, e)
			}
		}
	}
	if err := Save(context.Background(), filepath.Join(t.TempDir(), "a.run"), live(t, ref, 0), 1000, nil); err == nil || !strings.Contains(err.Error(), "logits") {
		t.Errorf("a limit below the logits: %v", err)
	}
}

// TestDamagedFromThinRun: a bounded run finds a damaged tensor too.
func TestDamagedFromThinRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.run")
	if err := Save(context.Background(), path, live(t, open(t, testdata.Model, "ref"), 0), 800<<10, nil); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSaved(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := run(t, live(t, open(t, damage(t, "blk.4.attn_output.weight", 1.05, 1), "cpu"), 0), s)
	if r.First == nil || r.First.Tensor != "blk.4.attn_output" {
		t.Errorf("first divergent %+v", r.First)
	}
}

func TestRefusesOthers(t *testing.T) {
	e := open(t, testdata.Model, "cpu")
	a := live(t, e, 0)
	b, err := NewLive(context.Background(), e, e.Prompt("Another text altogether", false), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := Run(context.Background(), a, b, DefaultLimits, nil); err == nil || !strings.Contains(err.Error(), "different tokens") {
		t.Errorf("other tokens: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, a, live(t, e, 0), DefaultLimits, nil); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

// endsAt is a context that ends when it is asked whether it has for the at-th time.
type endsAt struct {
	context.Context
	at    int32
	asked atomic.Int32
	gone  chan struct{}
}

func (c *endsAt) Err() error {
	if c.asked.Add(1) >= c.at {
		return context.Canceled
	}
	return nil
}

func (c *endsAt) Done() <-chan struct{} {
	if c.Err() != nil {
		return c.gone
	}
	return nil
}

// TestAfterError: a side that was interrupted, wherever that was, goes on as if
// nothing had happened.
func TestAfterError(t *testing.T) {
	e := open(t, testdata.Model, "cpu")
	gone := make(chan struct{})
	close(gone)
	a, b := live(t, e, 4), live(t, e, 4)
	failed := 0
	for pos := range a.Header().Tokens {
		var got [][]float32
		for at := int32(1); got == nil; at++ {
			var err error
			if got, err = a.Row(&endsAt{Context: context.Background(), at: at, gone: gone}, pos); err == nil {
				break
			}
			if failed++; !errors.Is(err, context.Canceled) {
				t.Fatalf("position %d: error %v, want %v", pos, err, context.Canceled)
			}
		}
		want, err := b.Row(context.Background(), pos)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Fatalf("position %d: %s differs after an error", pos, a.Header().Tensors[i].Name)
			}
		}
	}
	if n := len(a.Header().Tensors); failed < n {
		t.Errorf("interrupted %d times only; %d activations are read", failed, n)
	}
}

// TestNotFinite: an infinite logit is no prediction, on whichever side.
func TestNotFinite(t *testing.T) {
	bad := enginetest.Infinite()
	for _, device := range []string{"cpu", "ref"} {
		e := open(t, bad, device)
		side := func() *Live {
			l, err := NewLive(context.Background(), e, []int32{1, 4, 5, 6}, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return l
		}
		if _, err := Run(context.Background(), side(), side(), DefaultLimits, nil); !errors.Is(err, engine.ErrNotFinite) {
			t.Errorf("%s: error %v, want %v", device, err, engine.ErrNotFinite)
		}
		path := filepath.Join(t.TempDir(), "a.run")
		if err := Save(context.Background(), path, side(), 1<<20, nil); !errors.Is(err, engine.ErrNotFinite) {
			t.Errorf("%s: saved: error %v, want %v", device, err, engine.ErrNotFinite)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) > 0 {
			t.Errorf("%s: left behind: %v", device, left)
		}
	}
}

// peerKL is the mean over positions of the divergence of the other engine's 20
// most likely tokens from the float64 answer, as that oracle computes it from the
// golden files: Σ p·(log p − log q) over the tokens listed.
var peerKL = map[string]float64{
	"sotu-8m-q4_k_m": -0.000272066,
	"sotu-8m-f16":    -0.000013565,
	"head64-q5":      0.000476635,
	"odd-heads":      0.000546640,
	"small-F16":      0.000011313,
	"small-Q4_0":     0.000167262,
	"small-Q8_0":     0.001116978,
}

// TestPeer: against another engine's figures the reference gives the divergence
// that a float64 computation gives.
func TestPeer(t *testing.T) {
	paths := []string{"../../testdata/sotu-8m-q4_k_m.gguf"}
	more, _ := filepath.Glob("../../../shared/models/*.gguf")
	if len(more) == 0 {
		t.Log("../shared/models is not at hand: only the built-in model is tested")
	}
	for _, path := range append(paths, more...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		golden, err := os.ReadFile(strings.TrimSuffix(path, ".gguf") + ".golden.json")
		if err != nil {
			t.Fatal(err)
		}
		var g struct {
			IDs  []int32
			Rows []struct{ Top [][2]float64 }
		}
		if err := json.Unmarshal(golden, &g); err != nil {
			t.Fatal(err)
		}
		e := open(t, data, "ref")
		var kl stats.Running
		logP := make([]float64, e.Model.Config.NVocab)
		err = e.Score(context.Background(), g.IDs, engine.ScoreOptions{}, func(r engine.Row) error {
			stats.LogSoftmax(logP, r.Logits)
			var ids []int32
			var q []float64
			for _, x := range g.Rows[r.Pos].Top {
				ids, q = append(ids, int32(x[0])), append(q, x[1])
			}
			kl.Add(stats.TopKL(logP, ids, q))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".gguf")
		want, ok := peerKL[name]
		// The oracle prints five decimals; the reference rounds activations to 32
		// bits and keys and values to 16.
		if d := math.Abs(kl.Mean() - want); !ok || !(d <= 1e-5) {
			t.Errorf("%s: KL %.6f, float64 says %.6f", name, kl.Mean(), want)
		}
		t.Logf("%s: KL %.6f, float64 %.6f", name, kl.Mean(), want)
	}
}
