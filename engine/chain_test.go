package engine

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"eclat/cpu"
	"eclat/loader"
	"eclat/model"
)

// split reopens the built-in model with its layers dealt out to several backends.
func split(t *testing.T, at ...int) *Engine {
	t.Helper()
	e := open(t, builtIn, Options{Device: "ref"})
	if err := e.chain.close(); err != nil {
		t.Fatal(err)
	}
	whole := e.Model.Whole()
	e.chain.links = nil
	first := 0
	for i, end := range append(at, whole.End) {
		st := model.Stage{First: first, End: end, Embed: i == 0, Head: i == len(at)}
		e.chain.links = append(e.chain.links, link{stage: st, device: device{open: func(time.Duration) (model.Backend, error) { return cpu.NewRef(), nil }}})
		first = end
	}
	if err := e.chain.load(0); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestStages: a chain of stages gives the bits of the whole model, wherever it is
// cut, also with stages of the ends alone.
func TestStages(t *testing.T) {
	score := func(e *Engine) (lps []float64) {
		s := e.NewSession()
		defer s.Close()
		ids := e.Prompt("The Congress shall have the power to lay and collect taxes, duties, imposts and excises, to pay the debts and provide for the common defence.", false)
		if len(ids) <= scoreRows {
			t.Fatalf("%d tokens fit one run of %d", len(ids), scoreRows)
		}
		if err := s.Score(context.Background(), ids, 0, func(r Row) error { lps = append(lps, r.LogProb); return nil }); err != nil {
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
	for range 100 {
		f, err := loader.Open(builtIn)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Open(f, Options{Device: "cpu", Threads: 3, Context: 64})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := goroutines(10); n > 10 {
		t.Errorf("%d goroutines after everything was closed", n)
	}
}

// goroutines counts those alive, once there are no more than few or the finished
// ones have had a second to end.
func goroutines(few int) int {
	n := runtime.NumGoroutine()
	for range 50 {
		if n <= few {
			break
		}
		time.Sleep(20 * time.Millisecond)
		n = runtime.NumGoroutine()
	}
	return n
}

// TestOpenStopped: a Progress that returns an error ends loading with that error,
// and leaves no goroutine and no memory of the device behind.
func TestOpenStopped(t *testing.T) {
	stop := errors.New("stop")
	for _, device := range []string{"cpu", "vulkan:0"} {
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
				_, err = Open(f, Options{Device: device, Threads: 3, Progress: func(done, total int64) error {
					if done > total/2 {
						return stop
					}
					return nil
				}})
				if !errors.Is(err, stop) {
					t.Fatalf("error %v, want %v", err, stop)
				}
			}
			if n := goroutines(before); n > before {
				t.Errorf("%d goroutines, %d before", n, before)
			}
		})
	}
}
