package peer

import (
	"context"
	"errors"
	"strings"
	"testing"

	"eclat/engine"
	"eclat/model"
)

// TestStandbyRefuses: a standby that has not the memory for a lost worker's layers says so, and
// the next of the list takes them, also where it was the lost one before; where all others
// refuse this machine takes them itself. The text and its bits are the same.
func TestStandbyRefuses(t *testing.T) {
	for _, preload := range []bool{false, true} {
		l := &lan{}
		a, _ := work(t, l, "a", builtIn)
		_, small := work(t, l, "b", builtIn)
		small.Limit = 1 << 20
		c, _ := work(t, l, "c", builtIn)
		want := proof(t, openEngine(t, builtIn, engine.Options{}), 40, nil)
		d, err := Find(context.Background(), Device{Net: l.join("home"), Peers: []string{"a", "b", "c"}, Preload: preload})
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 4}, Peers: []model.Device{d}, Notice: func(s string) { said = append(said, s) }})
		loses := func(what string, who *machine, says ...string) {
			t.Helper()
			said = nil
			got := proof(t, e, 40, func(i int) {
				if i == 13 {
					who.kill()
				}
			})
			text := strings.Join(said, "\n")
			if got != want {
				t.Errorf("preload %v, %s: %s, alone %s; %s", preload, what, got, want, text)
			}
			for _, s := range says {
				if !strings.Contains(text, s) {
					t.Errorf("preload %v, %s: it lacks %q: %s", preload, what, s, text)
				}
			}
		}
		first := []string{"peer c takes the place of a"}
		if !preload { // else it was told when the model was opened
			first = append(first, "peer b does not take the layers", "are needed")
		}
		loses("a is killed", a, first...)
		a.wake()
		loses("c is killed", c, "peer b does not take the layers", "are needed", "peer a takes the place of")
		loses("a is killed again", a, "peer b does not take the layers", "move to this machine")
		e.Close()
	}
}

// TestNobodyTakes: where each machine of the list refuses to load a stage the error is one line
// with what the first of them lacks.
func TestNobodyTakes(t *testing.T) {
	l := &lan{}
	_, a := work(t, l, "a", builtIn)
	_, b := work(t, l, "b", builtIn)
	d := find(t, l, "a", "b")
	m := a.Models[0]
	st := model.Stage{First: 2, End: 6}
	room := model.Room{Pages: 1, Seqs: 1, Chunk: 16}
	if _, err := d.Fit(m, model.FitRequest{Stage: &st, Pages: 1, Room: room}); err != nil {
		t.Fatal(err)
	}
	a.Limit, b.Limit = 1<<20, 1<<19 // others came meanwhile
	var said []string
	o, err := d.Open(context.Background(), model.OpenOptions{Warn: func(s string) { said = append(said, s) }})
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Plan(st, room)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Load(context.Background(), m.File, p); !errors.Is(err, model.ErrNoMemory) || !strings.Contains(err.Error(), "peer a: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	if text := strings.Join(said, "\n"); !strings.Contains(text, "peer b does not take the layers") {
		t.Errorf("%q", text)
	}
	o.Close()
}
