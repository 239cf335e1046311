package peer

import (
	"cmp"
	"context"
	"strings"
	"testing"
	"time"

	"eclat/cpu"
	"eclat/engine"
	"eclat/loader"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/sample"
)

const (
	builtIn = "../testdata/sotu-8m-q4_k_m.gguf"
	experts = "../testdata/experts-small.gguf"
)

// work puts a worker with a model on the network.
func work(t testing.TB, l *lan, id, path string) (*machine, *Worker) {
	t.Helper()
	w := &Worker{Models: []*model.Model{backendtest.Open(t, path)}, Device: cpu.Devices(1)[0]}
	m := l.join(id)
	m.Handle(Protocol, w.Serve)
	t.Cleanup(func() { m.kill() })
	return m, w
}

func find(t testing.TB, l *lan, peers ...string) *Device {
	t.Helper()
	d, err := Find(context.Background(), Device{Net: l.join("home"), Peers: peers})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func openEngine(t testing.TB, path string, o engine.Options) *engine.Engine {
	t.Helper()
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	o.Device, o.Threads, o.Context = "cpu", 1, cmp.Or(o.Context, 512)
	e, err := engine.Open(context.Background(), f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// asked is an answer with its proof.
func asked(e *engine.Engine, n int) engine.Request {
	how := sample.Defaults()
	how.Seed = 7
	text := strings.Repeat("The Congress of the United States. ", 6)
	return engine.Request{Tokens: e.Prompt(text, false), Share: -1, Settings: how, MaxTokens: n, IgnoreEOS: true, Proof: true, Draft: engine.MaxDraft}
}

func proof(t testing.TB, e *engine.Engine, n int, each func(int)) engine.Proof {
	t.Helper()
	i := 0
	st, err := e.Generate(context.Background(), asked(e, n), nil, func(id int32) {
		if i++; each != nil {
			each(i)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return st.Proof
}

// TestRing: a model over this machine and one to three others has the bits of one alone,
// wherever it is cut.
func TestRing(t *testing.T) {
	for _, path := range killedModels(t)[:4] {
		l := &lan{}
		for _, id := range []string{"a", "b", "c"} {
			work(t, l, id, path)
		}
		alone := openEngine(t, path, engine.Options{})
		want := proof(t, alone, 24, nil)
		n := alone.Model.Config.NLayer
		var cuts [][]int
		for own := 0; own <= n; own++ {
			cuts = append(cuts, []int{own, n - own})
			for a := 0; a <= n-own; a++ {
				cuts = append(cuts, []int{own, a, n - own - a})
			}
		}
		cuts = append(cuts, []int{0, 1, 1, n - 2}, []int{1, n - 1, 0, 0})
		for _, cut := range cuts {
			var peers []model.Device
			for _, id := range []string{"a", "b", "c"}[:len(cut)-1] {
				peers = append(peers, find(t, l, id))
			}
			e := openEngine(t, path, engine.Options{Peers: peers, Layers: cut})
			if got := proof(t, e, 24, nil); got != want {
				t.Errorf("%s cut as %v: %s, alone %s", path, cut, got, want)
			}
			e.Close()
		}
	}
}

// TestKilled: a worker that is killed in the middle of an answer is replaced by another,
// and the answer is complete, with the bits of an undisturbed one.
func TestKilled(t *testing.T) {
	l := &lan{}
	a, _ := work(t, l, "a", builtIn)
	b, _ := work(t, l, "b", builtIn)
	work(t, l, "c", builtIn)
	want := proof(t, openEngine(t, builtIn, engine.Options{}), 40, nil)
	var said []string
	e := openEngine(t, builtIn, engine.Options{Notice: func(s string) { said = append(said, s) }, Layers: []int{1, 2, 3},
		Peers: []model.Device{find(t, l, "a", "c"), find(t, l, "b", "c")}})
	if got := proof(t, e, 40, func(i int) {
		if i == 13 {
			a.kill()
		}
	}); got != want {
		t.Errorf("after a loss: %s, alone %s", got, want)
	}
	if got := proof(t, e, 40, func(i int) {
		if i == 20 {
			b.kill()
			a.wake()
		}
	}); got != want {
		t.Errorf("after a second loss: %s, alone %s", got, want)
	}
	if e.Losses() < 2 || !strings.Contains(strings.Join(said, "\n"), "peer c takes the place of a") {
		t.Errorf("%d losses, %q", e.Losses(), said)
	}
}

// TestNobodyLeft: where no worker is left this machine goes on with the layers.
func TestNobodyLeft(t *testing.T) {
	l := &lan{}
	a, w := work(t, l, "a", builtIn)
	want := proof(t, openEngine(t, builtIn, engine.Options{}), 40, nil)
	var said []string
	e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 4}, Peers: []model.Device{find(t, l, "a")}, Notice: func(s string) { said = append(said, s) }})
	if got := proof(t, e, 40, func(i int) {
		if i == 5 {
			a.kill()
		}
	}); got != want || !strings.Contains(strings.Join(said, "\n"), "layers 2–5 move to this machine") {
		t.Errorf("%s, alone %s; %q", got, want, said)
	}
	e.Close()
	for range 100 {
		if n, bytes := w.Sessions(); n == 0 && bytes == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	n, bytes := w.Sessions()
	t.Errorf("%d sessions with %d bytes are left on the worker", n, bytes)
}

// TestOther: a worker without the model, with another definition of numbers, or without
// memory is refused with its reason.
func TestOther(t *testing.T) {
	l := &lan{}
	work(t, l, "a", experts)
	_, w := work(t, l, "b", builtIn)
	w.Limit = 1 << 10
	for id, says := range map[string]string{"a": "does not have the model", "b": "not enough memory"} {
		f, err := loader.Open(builtIn)
		if err != nil {
			t.Fatal(err)
		}
		_, err = engine.Open(context.Background(), f, engine.Options{Device: "cpu", Layers: []int{2, 4}, Peers: []model.Device{find(t, l, id)}})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := Find(context.Background(), Device{Net: l.join("home"), Peers: []string{"nobody"}}); err == nil || !strings.Contains(err.Error(), "nobody answers") {
		t.Errorf("nobody: %v", err)
	}
}
