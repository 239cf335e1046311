package engine

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"eclat/cpu/ref"
	"eclat/loader"
	"eclat/model"
)

// split reopens the built-in model with its layers dealt out to several backends.
func split(t *testing.T, at ...int) *Engine {
	t.Helper()
	e := open(t, builtIn, Options{Device: "ref"})
	err := e.do(context.Background(), func() error {
		c := &e.owner.chain
		if err := c.close(); err != nil {
			return err
		}
		c.links = nil
		first := 0
		for i, end := range append(at, e.Model.Config.NLayer) {
			st := model.Stage{First: first, End: end, Embed: i == 0, Head: i == len(at)}
			c.links = append(c.links, link{stage: st, device: ref.Device()})
			first = end
		}
		return c.load(context.Background(), 0)
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestStages: a chain of stages gives the bits of the whole model, wherever it is
// cut, also with stages of the ends alone.
func TestStages(t *testing.T) {
	long(t)
	score := func(e *Engine) (lps []float64) {
		ids := e.Prompt("The Congress shall have the power to lay and collect taxes, duties, imposts and excises, to pay the debts and provide for the common defence.", false)
		if err := e.Score(context.Background(), ids, ScoreOptions{}, func(r Row) error { lps = append(lps, r.LogProb); return nil }); err != nil {
			t.Fatal(err)
		}
		return lps
	}
	r := Request{MaxTokens: 20, IgnoreEOS: true}
	e := open(t, builtIn, Options{Device: "ref"})
	want, layers := score(e), e.Model.Config.NLayer
	text, _ := generate(t, e, "The Congress", r)
	for _, at := range [][]int{{1}, {layers / 2}, {0, layers}, {1, 2, 3}} {
		e := split(t, at...)
		if got := score(e); !slices.Equal(got, want) {
			t.Errorf("cut at %v: other log-probabilities", at)
		}
		if got, _ := generate(t, e, "The Congress", r); !slices.Equal(got, text) {
			t.Errorf("cut at %v: text %v, want %v", at, got, text)
		}
	}
}

// TestOpenCloses: an Engine that fails to open leaves the file closed and its
// goroutines gone; a hundred that open and close leave nothing behind.
func TestOpenCloses(t *testing.T) {
	long(t)
	before := runtime.NumGoroutine()
	for range 100 {
		f, err := loader.Open(builtIn)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Open(context.Background(), f, Options{Device: "cpu", Threads: 3, Context: 64})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := goroutines(before); n > before {
		t.Errorf("%d goroutines after everything was closed, %d before", n, before)
	}
}

// goroutines counts those alive, once there are no more than few or the finished
// ones have had a minute to end.
func goroutines(few int) int {
	n := runtime.NumGoroutine()
	for range 3000 {
		if n <= few {
			break
		}
		time.Sleep(20 * time.Millisecond)
		n = runtime.NumGoroutine()
	}
	return n
}

// TestOpenStopped: cancelling ends loading, and leaves no goroutine and no memory of
// the device behind.
func TestOpenStopped(t *testing.T) {
	for _, device := range []string{"cpu", "vulkan"} {
		t.Run(device, func(t *testing.T) {
			if device != "cpu" {
				device = gpuName(t)
			}
			before := runtime.NumGoroutine()
			for range 5 {
				f, err := loader.Open(builtIn)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(context.Background())
				_, err = Open(ctx, f, Options{Device: device, Threads: 3, Progress: func(what string, done, total int64) {
					if what == "weights" {
						cancel()
					}
				}})
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("error %v, want %v", err, context.Canceled)
				}
			}
			if n := goroutines(before); n > before {
				t.Errorf("%d goroutines, %d before", n, before)
			}
		})
	}
}

// TestPositionsOfAllStages: every stage has the pools of the whole model.
func TestPositionsOfAllStages(t *testing.T) {
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := memories(allPositions, someWindow, oneState)(f)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := m.Describe(m.Whole(), model.Room{Pages: 3, Seqs: 2, Chunk: 8})
	if err != nil {
		t.Fatal(err)
	}
	head, err := m.Describe(model.Stage{First: 1, End: 1, Head: true, Embed: true}, model.Room{Pages: 3, Seqs: 2, Chunk: 8})
	if err != nil || !slices.Equal(whole.Pools, head.Pools) {
		t.Errorf("pools %v of the whole model, %v of a stage; %v", whole.Pools, head.Pools, err)
	}
}
