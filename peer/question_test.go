package peer

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"eclat/cpu"
	"eclat/engine"
	"eclat/loader"
	"eclat/model"
	"eclat/model/backendtest"
)

// mistaken is a device whose rows are wrong in one bit.
type mistaken struct{ model.Device }

func (d mistaken) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	b, err := d.Device.Open(ctx, o)
	return backendtest.Around(b, err, func(ctx context.Context, p model.Program, b *model.Batch, out *model.Outputs) error {
		err := p.Run(ctx, b, out)
		if i := len(out.Rows) / 2; err == nil && len(out.Rows) > 0 {
			out.Rows[i] = math.Float32frombits(math.Float32bits(out.Rows[i]) ^ 1)
		}
		return err
	})
}

// TestQuestion: before the first token all stages are asked what is known; a machine that
// answers wrongly in one bit is named and nothing is computed with it. What was computed
// to know it is remembered; without the weights nothing is known, and that is said.
func TestQuestion(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, path := range []string{builtIn, experts} {
		l := &lan{}
		work(t, l, "a", path)
		w := &Worker{Models: []*model.Model{backendtest.Open(t, path)}, Device: mistaken{cpu.Devices(1)[0]}}
		b := l.join("b")
		b.Handle(Protocol, w.Serve)
		open := func(path string, o engine.Options) (string, int, error) {
			f, err := loader.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			computed := 0
			o.Device, o.Threads, o.Context = "cpu", 1, 256
			o.Notice = func(s string) { said = append(said, s) }
			o.Progress = func(what string, done, total int64) {
				if what == "ring" && done < total {
					computed++
				}
			}
			e, err := engine.Open(context.Background(), f, o)
			if err == nil {
				e.Close()
			}
			return strings.Join(said, "\n"), computed, err
		}
		n := backendtest.Open(t, path).Config.NLayer
		cut := func(home int) []int { return []int{home, n - home} }
		for i, home := range []int{1, 0, n - 1} {
			said, computed, err := open(path, engine.Options{Layers: cut(home), Peers: []model.Device{find(t, l, "a")}})
			if err != nil || !strings.Contains(said, "rightly") || (computed == 0) != (i > 0) {
				t.Errorf("%s, %d layers here: %v after %d parts computed, %q", path, home, err, computed, said)
			}
		}
		_, _, err := open(path, engine.Options{Layers: cut(1), Peers: []model.Device{find(t, l, "b")}})
		if !errors.Is(err, model.ErrNoDevice) || !strings.Contains(err.Error(), "peer:b computes layers 1–") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: a wrong bit: %v", path, err)
		}
	}
}

// TestWrongStandIn: a machine that is to take a place and answers wrongly does not end the
// answer, whether all tokens run again or the log shows that it is wrong: it is named, and
// the next one takes the place, or where nobody is left this machine.
func TestWrongStandIn(t *testing.T) {
	m := backendtest.Open(t, builtIn)
	want := proof(t, openEngine(t, builtIn, engine.Options{}), 40, nil)
	for name, on := range map[string]struct {
		peers []string
		log   int64 // Options.PeerLog
		kill  bool
		says  []string
	}{
		"at first":                      {peers: []string{"b", "c"}, says: []string{"peer c takes the place of b"}},
		"without a log":                 {peers: []string{"a", "b", "c"}, log: 1, kill: true, says: []string{"peer b takes the place of a", "peer c takes the place of b"}},
		"by the log":                    {peers: []string{"a", "b", "c"}, kill: true, says: []string{"peer b takes the place of a", "peer c takes the place of b"}},
		"nobody is left, without a log": {peers: []string{"a", "b"}, log: 1, kill: true, says: []string{"layers 2–5 move to this machine"}},
		"nobody is left":                {peers: []string{"a", "b"}, kill: true, says: []string{"layers 2–5 move to this machine"}},
	} {
		for _, stands := range []bool{false, true} {
			l := &lan{}
			a, _ := work(t, l, "a", builtIn)
			wrong := l.join("b")
			wrong.Handle(Protocol, (&Worker{Models: []*model.Model{m}, Device: mistaken{cpu.Devices(1)[0]}}).Serve)
			t.Cleanup(wrong.kill)
			work(t, l, "c", builtIn)
			d := find(t, l, on.peers...)
			d.Preload = stands
			var said []string
			e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 4}, PeerLog: on.log, Peers: []model.Device{d}, Notice: func(s string) { said = append(said, s) }})
			got := proof(t, e, 40, func(i int) {
				if i == 13 && on.kill {
					a.kill()
				}
			})
			text := strings.Join(said, "\n")
			for _, s := range append(on.says, "peer:b computes ") {
				if !strings.Contains(text, s) {
					t.Errorf("%s, standing by %v: nobody says %q: %q", name, stands, s, said)
				}
			}
			if got != want || strings.Contains(text, "\n\n") {
				t.Errorf("%s, standing by %v: %s, alone %s; %q", name, stands, got, want, said)
			}
			if again := proof(t, e, 40, nil); again != want {
				t.Errorf("%s, standing by %v: the next answer has %s, alone %s", name, stands, again, want)
			}
			e.Close()
		}
	}
}
