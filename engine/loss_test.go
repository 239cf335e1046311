package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"eclat/model"
)

// losing is an engine on a GPU that fails as fault says, beside a processor.
func losing(t *testing.T, fault func(call string) error, told *[]string) *Engine {
	t.Helper()
	s, host := &sim{kind: model.DiscreteGPU, fault: fault}, &sim{kind: model.Processor}
	return open(t, builtIn, Options{
		Device: "sim", devices: []model.Device{s, host}, Context: 512, open: memories(allPositions, someWindow),
		Notice: func(m string) {
			if told != nil {
				*told = append(*told, m)
			}
		},
	})
}

// TestLost: every sequence goes on with the text it had, once the device is back.
func TestLost(t *testing.T) {
	runs := 0
	e := losing(t, func(call string) error {
		if call == "run" {
			if runs++; runs == 3 || runs == 9 {
				return model.ErrLost
			}
		}
		return nil
	}, nil)
	p := prompt(90, 3)
	q, err := e.Submit(context.Background(), Request{Tokens: p, Share: -1, MaxTokens: 30, IgnoreEOS: true})
	if err != nil {
		t.Fatal(err)
	}
	got, st, err := collect(q)
	if err != nil || !slices.Equal(got, say(e, p, 30)) || st.Losses != 2 || e.Losses() != 2 {
		t.Errorf("%v; %+v, %v", got, st, err)
	}
	empty(t, e)
}

// TestLostAgainAndAgain: after the third loss in one answer the layers move to the
// processor, the program says so, and the answer is the same.
func TestLostAgainAndAgain(t *testing.T) {
	var told []string
	e := losing(t, func(call string) error {
		if call == "run" {
			return model.ErrLost
		}
		return nil
	}, &told)
	p := prompt(50, 4)
	for range 2 {
		q, err := e.Submit(context.Background(), Request{Tokens: p, MaxTokens: 10, IgnoreEOS: true})
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := collect(q); err != nil || !slices.Equal(got, say(e, p, 10)) {
			t.Errorf("%v, %v", got, err)
		}
	}
	if e.Losses() != maxLosses {
		t.Errorf("%d losses, want %d", e.Losses(), maxLosses)
	}
	if !slices.ContainsFunc(told, func(m string) bool { return strings.Contains(m, "all layers move to cpu") }) {
		t.Errorf("told %q", told)
	}
}

// TestWrongDevice: from a device that computes wrongly the layers move to the processor at
// once, unless the user asked for it: then that is the answer.
func TestWrongDevice(t *testing.T) {
	for _, device := range []string{"auto", "sim"} {
		runs := 0
		s := &sim{kind: model.DiscreteGPU, fault: func(call string) error {
			if call == "run" {
				runs++
				return fmt.Errorf("kernel rope: %w", model.ErrNoDevice)
			}
			return nil
		}}
		var told []string
		e := open(t, builtIn, Options{
			Device: device, devices: []model.Device{s, &sim{kind: model.Processor}}, Context: 512, open: memories(allPositions, someWindow),
			Notice: func(m string) { told = append(told, m) },
		})
		p := prompt(50, 4)
		q, err := e.Submit(context.Background(), Request{Tokens: p, MaxTokens: 10, IgnoreEOS: true})
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := collect(q)
		moved := slices.ContainsFunc(told, func(m string) bool { return strings.Contains(m, "computes wrongly: all layers move to cpu") })
		if auto := device == "auto"; auto != (err == nil) || auto != slices.Equal(got, say(e, p, 10)) || auto != moved || runs != 1 || !auto && !errors.Is(err, ErrDevice) {
			t.Errorf("%s: %v, %v after %d runs; told %q", device, got, err, runs, told)
		}
	}
}

// TestFailedRecovery: a device that cannot be opened again is an error of the
// requests that need it, and the next request tries anew.
func TestFailedRecovery(t *testing.T) {
	stuck, runs := false, 0
	e := losing(t, func(call string) error {
		if call == "run" {
			if runs++; runs == 2 {
				stuck = true
				return model.ErrLost
			}
		}
		if call == "open" && stuck {
			return model.ErrNoDevice
		}
		return nil
	}, nil)
	p := prompt(20, 5)
	for i := range 2 {
		if _, err := e.Generate(context.Background(), Request{Tokens: p, MaxTokens: 5, IgnoreEOS: true}, nil, nil); !errors.Is(err, ErrLost) {
			t.Errorf("request %d on a device that is gone: %v, want %v", i, err, ErrLost)
		}
		if _, err := e.MatMulRate(context.Background(), 1, 0); err == nil {
			t.Error("a measurement on a device that is gone succeeded")
		}
		if _, err := e.NewProbe(context.Background(), ProbeOptions{Tokens: 1}); err == nil {
			t.Error("a probe on a device that is gone was made")
		}
	}
	e.do(context.Background(), func() error { stuck = false; return nil })
	q, err := e.Submit(context.Background(), Request{Tokens: p, MaxTokens: 5, IgnoreEOS: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := collect(q); err != nil || !slices.Equal(got, say(e, p, 5)) {
		t.Errorf("once the device is back: %v, %v", got, err)
	}
}

// TestCare: after losses a device is asked to take care, and after many good steps no
// more.
func TestCare(t *testing.T) {
	runs, lose := 0, 2
	e := losing(t, func(call string) error {
		if call == "run" {
			if runs++; runs == lose {
				return model.ErrLost
			}
		}
		return nil
	}, nil)
	if _, err := e.Generate(context.Background(), Request{Tokens: prompt(3, 1), MaxTokens: 10, IgnoreEOS: true}, nil, nil); err != nil {
		t.Fatal(err)
	}
	care := func() (n int) {
		e.do(context.Background(), func() error { n = e.owner.careful; return nil })
		return n
	}
	if n := care(); n != 1 {
		t.Errorf("care %d after a loss, want 1", n)
	}
	if _, err := e.Generate(context.Background(), Request{Tokens: prompt(3, 1), MaxTokens: calmSteps + 1, IgnoreEOS: true}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if n := care(); n != 0 {
		t.Errorf("care %d after %d good steps, want 0", n, calmSteps)
	}
}

// TestAskWhileAnswering: asking the engine from within a callback of its own stream
// waits for nobody.
func TestAskWhileAnswering(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 256}, allPositions)
	ids := prompt(100, 1)
	n := 0
	err := e.Score(context.Background(), ids, ScoreOptions{Share: -1}, func(r Row) error {
		n += 1 + e.Losses()
		_, err := e.Facts(context.Background())
		return err
	})
	if err != nil || n != len(ids) {
		t.Errorf("%d rows, %v", n, err)
	}
}

// TestClose: closing ends what runs and what waits, and what comes later is refused.
func TestClose(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 4096, Parallel: 2}, allPositions)
	var streams []*Stream
	for range 5 {
		q, err := e.Submit(context.Background(), Request{Tokens: []int32{1}, MaxTokens: -1, IgnoreEOS: true})
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, q)
	}
	streams[0].Next()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	for _, q := range streams {
		if _, _, err := collect(q); !errors.Is(err, ErrClosed) {
			t.Errorf("a stream of a closed engine ends with %v", err)
		}
	}
	if _, err := e.Submit(context.Background(), Request{Tokens: []int32{1}}); !errors.Is(err, ErrClosed) {
		t.Errorf("Submit: %v", err)
	}
	if _, err := e.Facts(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Facts: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}
