package peer

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eclat/cpu"
	"eclat/engine"
	"eclat/model"
	"eclat/model/arch/archtest"
	"eclat/model/backendtest"
)

// counting is a device that counts the tokens it computes.
type counting struct {
	model.Device
	tokens atomic.Int64
}

func (d *counting) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	b, err := d.Device.Open(ctx, o)
	return backendtest.Around(b, err, func(ctx context.Context, p model.Program, b *model.Batch, out *model.Outputs) error {
		d.tokens.Add(int64(len(b.Pos)))
		return p.Run(ctx, b, out)
	})
}

// workCounted is work, and what the worker computes.
func workCounted(t testing.TB, l *lan, id string, m *model.Model) (*machine, *counting) {
	d := &counting{Device: cpu.Devices(1)[0]}
	w := &Worker{Models: []*model.Model{m}, Device: d}
	at := l.join(id)
	at.Handle(Protocol, w.Serve)
	return at, d
}

// killedModels are models of every kind of memory: of positions, with experts, two of
// states, one of both in a layer, and of windows.
func killedModels(t *testing.T) (paths []string) {
	paths = []string{builtIn, experts}
	for _, family := range []string{"qwen35", "lfm2", "falcon-h1"} {
		path := filepath.Join(t.TempDir(), family+".gguf")
		if err := archtest.Hybrid(family, 1).WriteFile(path); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	generator, path := "../../shared/oracle/families.py", filepath.Join(t.TempDir(), "gemma3.gguf")
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-B", generator, "gemma3", path).Run() == nil {
			return append(paths, path)
		}
	}
	t.Log("a model of windows is left out: ../shared/oracle or Python 3 with numpy is not at hand (apt-get install python3-numpy)")
	return paths
}

// ring is a run over two workers with two that stand by, one of which is killed at its
// n-th frame after the model is open, and another at its m-th: what it answered, how many
// frames the first one had, and what the one that lives computed.
type ring struct {
	proof  engine.Proof
	stats  engine.Stats
	frames int
	b      int64 // tokens that the survivor computed
	said   []string
}

func ringRun(t *testing.T, path string, tokens, kill, killNext int) (r ring) {
	synctest.Test(t, func(t *testing.T) {
		l := &lan{}
		m := backendtest.Open(t, path)
		a, _ := workCounted(t, l, "a", m)
		_, survivor := workCounted(t, l, "b", m)
		c, _ := workCounted(t, l, "c", m)
		workCounted(t, l, "d", m)
		own := min(1, m.Config.NLayer-2)
		cut := []int{own, (m.Config.NLayer - own) / 2, m.Config.NLayer - own - (m.Config.NLayer-own)/2}
		e := openEngine(t, path, engine.Options{Layers: cut, Notice: func(s string) { r.said = append(r.said, s) },
			Peers: []model.Device{find(t, l, "a", "c", "d"), find(t, l, "b", "d")}})
		n, next := 0, 0
		a.meddle = func(b []byte) []byte {
			if n++; n == kill {
				a.kill()
				return nil
			}
			return b
		}
		c.meddle = func(b []byte) []byte {
			if next++; next == killNext {
				c.kill()
				return nil
			}
			return b
		}
		before := survivor.tokens.Load()
		st, err := e.Generate(context.Background(), asked(e, tokens), nil, nil)
		if err != nil {
			t.Fatalf("killed at frame %d: %v", kill, err)
		}
		r.proof, r.stats, r.frames, r.b = st.Proof, st, n, survivor.tokens.Load()-before
		e.Close()
		for _, m := range l.machines {
			m.kill()
		}
		synctest.Wait()
	})
	return r
}

// TestKilledAnywhere: a worker is killed at each of its frames, and then the one that took
// its place at each of those while it is sent what there was: the answer has the bits of an
// undisturbed one, and the worker that lives computes nothing twice.
func TestKilledAnywhere(t *testing.T) {
	for _, path := range killedModels(t) {
		tokens := 6
		calm := ringRun(t, path, tokens, 0, 0)
		if calm.frames < tokens || len(calm.stats.Replays) != 0 {
			t.Fatalf("%d frames, %d replays of an undisturbed run", calm.frames, len(calm.stats.Replays))
		}
		check := func(what string, r ring, losses int) {
			t.Helper()
			if r.proof != calm.proof || r.b != calm.b || len(r.stats.Replays) != losses || r.stats.Losses != losses {
				t.Errorf("%s, %s: %s, undisturbed %s; the survivor computed %d tokens, undisturbed %d; %d losses, %v; %q", path, what, r.proof, calm.proof, r.b, calm.b, r.stats.Losses, r.stats.Replays, r.said)
			}
		}
		replay := 0
		for kill := 1; kill <= calm.frames; kill++ {
			r := ringRun(t, path, tokens, kill, 0)
			check(fmt.Sprintf("killed at frame %d", kill), r, 1)
			replay = max(replay, r.stats.Replays[0].Proof.Rows)
		}
		if replay < 40 {
			t.Errorf("%s: at most %d rows were sent again", path, replay)
		}
		for next := 1; next <= 8; next++ {
			r := ringRun(t, path, tokens, calm.frames-2, next)
			if !slices.ContainsFunc(r.said, func(s string) bool { return strings.Contains(s, "peer d takes") }) {
				t.Errorf("%s: killed again at frame %d: %q", path, next, r.said)
			}
			losses := len(r.stats.Replays) // two where it had taken the place
			if losses < 1 || losses > 2 || r.stats.Replays[losses-1].Device != "peer:d" {
				t.Errorf("%s: killed again at frame %d: %v", path, next, r.stats.Replays)
			}
			check(fmt.Sprintf("killed again at frame %d", next), r, losses)
		}
	}
}

// TestLogForgets: what no memory hangs on any more is not sent again, however much was
// computed; and where too much would have to be kept that is said, and after a loss all
// tokens run again.
func TestLogForgets(t *testing.T) {
	for _, most := range []int64{4 << 20, 64 << 10} {
		l := &lan{}
		m := backendtest.Open(t, builtIn)
		a, _ := workCounted(t, l, "a", m)
		_, spare := workCounted(t, l, "b", m)
		t.Cleanup(func() { l.machines["b"].kill() })
		alone := openEngine(t, builtIn, engine.Options{})
		var said []string
		e := openEngine(t, builtIn, engine.Options{Layers: []int{1, 5}, PeerLog: most, Peers: []model.Device{find(t, l, "a", "b")}, Notice: func(s string) { said = append(said, s) }})
		for i := range 8 {
			ask := func(e *engine.Engine, each func(int)) engine.Stats {
				r := asked(e, 350)
				r.Settings.Seed = uint64(i)
				r.Caller = fmt.Sprint("caller", i)
				n := 0
				st, err := e.Generate(context.Background(), r, nil, func(int32) { n++; each(n) })
				if err != nil {
					t.Fatal(err)
				}
				return st
			}
			want := ask(alone, func(int) {})
			got := ask(e, func(n int) {
				if i == 7 && n == 300 {
					a.kill()
				}
			})
			if got.Proof != want.Proof {
				t.Errorf("log of %d bytes, answer %d: %s, alone %s", most, i, got.Proof, want.Proof)
			}
			if i < 7 {
				continue
			}
			over := strings.Contains(strings.Join(said, "\n"), "all tokens would run again")
			switch {
			case got.Losses != 1 || over != (most < 1<<20) || len(got.Replays) == 1 == over:
				t.Errorf("log of %d bytes: %d losses, %v; %q", most, got.Losses, got.Replays, said)
			case !over && (got.Replays[0].Proof.Rows < 300 || got.Replays[0].Proof.Rows > 1600):
				t.Errorf("%d rows were sent again, of 8 answers of about 400", got.Replays[0].Proof.Rows)
			}
			t.Logf("log of %d bytes: %v, %d tokens run by the one that took the place", most, got.Replays, spare.tokens.Load())
		}
	}
}

// TestStandsBy: a peer that stands by is loaded before it is needed, and takes the place
// without loading; where it has gone meanwhile another does.
func TestStandsBy(t *testing.T) {
	for _, gone := range []bool{false, true} {
		l := &lan{}
		a, _ := work(t, l, "a", builtIn)
		b, spare := work(t, l, "b", builtIn)
		work(t, l, "c", builtIn)
		want := proof(t, openEngine(t, builtIn, engine.Options{}), 30, nil)
		d := find(t, l, "a", "b", "c")
		d.Preload = true
		var said []string
		loads := 0
		e := openEngine(t, builtIn, engine.Options{Layers: []int{1, 5}, Peers: []model.Device{d}, Notice: func(s string) { said = append(said, s) },
			Progress: func(what string, _, _ int64) {
				if what == "weights" {
					loads++
				}
			}})
		if n, bytes := spare.Sessions(); n != 1 || bytes == 0 {
			t.Errorf("%d sessions with %d bytes on the one that stands by", n, bytes)
		}
		before := loads
		got := proof(t, e, 30, func(i int) {
			if i == 9 {
				if gone {
					b.kill()
				}
				a.kill()
			}
		})
		by := "peer b takes the place of a"
		if gone {
			by = "peer c takes the place of a"
		}
		if got != want || !strings.Contains(strings.Join(said, "\n"), by) || !gone && loads != before {
			t.Errorf("gone %v: %s, alone %s, loaded %d times; %q", gone, got, want, loads-before, said)
		}
		e.Close()
		for range 100 {
			if n, _ := spare.Sessions(); n == 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n, bytes := spare.Sessions(); n != 0 || bytes != 0 {
			t.Errorf("%d sessions with %d bytes are left", n, bytes)
		}
	}
}
