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
