package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"eclat/model"
)

// filling is a processor that holds nothing more once it is full.
type filling struct {
	*sim
	full atomic.Bool
}

func (f *filling) Fit(m *model.Model, r model.FitRequest) (*model.Fitting, error) {
	if f.full.Load() {
		return nil, ErrMemory
	}
	return f.sim.Fit(m, r)
}

// TestTakeHome: layers of a machine that is lost, with nobody to take its place, are computed
// here and stay here, if this machine holds them; if not the answer ends with what is the
// matter, and the next one is refused for the same reason until the machine is back.
func TestTakeHome(t *testing.T) {
	for _, holds := range []bool{true, false} {
		var gone atomic.Bool
		own := &filling{sim: &sim{kind: model.Processor}}
		far := &sim{kind: model.DiscreteGPU, fault: func(string) error {
			if gone.Load() {
				return model.ErrLost
			}
			return nil
		}}
		var told []string
		e := open(t, builtIn, Options{Device: "cpu", devices: []model.Device{own}, Context: 512, open: memories(allPositions),
			Peers: []model.Device{far}, Layers: []int{0, 1}, Notice: func(m string) { told = append(told, m) }})
		p := prompt(90, 3)
		want := say(e, p, 30)
		gone.Store(true)
		own.full.Store(!holds)
		for i := range 2 {
			q, err := e.Submit(context.Background(), Request{Tokens: p, Share: -1, MaxTokens: 30, IgnoreEOS: true})
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := collect(q)
			switch {
			case holds && (err != nil || !slices.Equal(got, want) || !strings.Contains(strings.Join(told, "\n"), "layers 0–0 move to this machine")):
				t.Errorf("answer %d: %v, %v; %q", i, got, err, told)
			case !holds && (!errors.Is(err, ErrLost) || !errors.Is(err, ErrMemory) || strings.Contains(err.Error(), "\n")):
				t.Errorf("answer %d, no room here: %v", i, err)
			}
		}
		if holds {
			continue
		}
		gone.Store(false)
		q, err := e.Submit(context.Background(), Request{Tokens: p, Share: -1, MaxTokens: 30, IgnoreEOS: true})
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := collect(q); err != nil || !slices.Equal(got, want) {
			t.Errorf("the machine is back: %v, %v", got, err)
		}
	}
}
