package peer

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"eclat/cpu"
	"eclat/engine"
	"eclat/model"
	"eclat/model/backendtest"
)

// lying is a device that flips one bit in one row in so many of what it answers. Its own
// memory stays right.
type lying struct {
	model.Device
	random *rand.Rand
	nan    bool         // no bit is flipped, the number is none
	one    int          // in so many
	rows   atomic.Int64 // answered
	first  atomic.Int64 // the first wrong one, from 1; 0 for none
}

func (d *lying) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	b, err := d.Device.Open(ctx, o)
	return backendtest.Around(b, err, d.run)
}

func (d *lying) run(ctx context.Context, p model.Program, b *model.Batch, out *model.Outputs) error {
	if err := p.Run(ctx, b, out); err != nil {
		return err
	}
	out.Rows = slices.Clone(out.Rows)
	cols := len(out.Rows) / len(b.Pos)
	for i := range b.Pos {
		n := d.rows.Add(1)
		if d.random.IntN(d.one) != 0 {
			continue
		}
		at := &out.Rows[i*cols+d.random.IntN(cols)]
		*at = math.Float32frombits(math.Float32bits(*at) ^ 1<<d.random.IntN(32))
		if d.nan {
			*at = float32(math.NaN())
		}
		d.first.CompareAndSwap(0, n)
	}
	return nil
}

// lie puts a worker that computes wrongly on the network.
func lie(t testing.TB, l *lan, id string, m *model.Model, seed uint64, one int) *lying {
	d := &lying{Device: cpu.Devices(1)[0], random: rand.New(rand.NewPCG(seed, 1)), one: one}
	at := l.join(id)
	at.Handle(Protocol, (&Worker{Models: []*model.Model{m}, Device: d}).Serve)
	t.Cleanup(at.kill)
	return d
}

// TestLiar: a worker that flips one bit in one row in a thousand is named before anything
// that hangs on the row is told, whoever checks it, and the answer is the right one. So is
// one that checks and is wrong itself. 200 tokens and their prompt are some 260 rows, in
// which a bit is flipped with a probability of 1 − 0.999²⁶⁰, 23 %; answers are asked for
// until one is.
func TestLiar(t *testing.T) {
	for name, on := range map[string]struct {
		check  func(l *lan) model.Device
		b      int // one row in so many that b answers is wrong
		a      int
		blames string
	}{
		"home checks":            {check: func(*lan) model.Device { return engine.Home }, a: 1000},
		"another checks":         {check: func(l *lan) model.Device { return find(t, l, "b", "c") }, a: 1000},
		"who checks is wrong":    {check: func(l *lan) model.Device { return find(t, l, "b", "c") }, b: 300, blames: "peer:b, which checks layers 2–5, computes wrongly"},
		"both at once are wrong": {check: func(l *lan) model.Device { return find(t, l, "b", "c") }, a: 150, b: 150},
	} {
		l := &lan{}
		m := backendtest.Open(t, builtIn)
		a := lie(t, l, "a", m, 5, max(a1(on.a), 1))
		b := lie(t, l, "b", m, 9, a1(on.b))
		work(t, l, "c", builtIn)
		work(t, l, "d", builtIn)
		want := proof(t, openEngine(t, builtIn, engine.Options{}), 200, nil)
		var said []string
		e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 4}, Notice: func(s string) { said = append(said, s) },
			Peers: []model.Device{find(t, l, "a", "d")}, Checks: []model.Device{on.check(l)}})
		rows := int64(0)
		for range 12 {
			r := asked(e, 200)
			r.Caller = string(rune('a' + rows%20)) // nothing is found computed
			r.Draft = 0                            // what a wrong guess left is not compared
			st, err := e.Generate(context.Background(), r, nil, nil)
			if err != nil {
				t.Fatalf("%s: %v; %q", name, err, said)
			}
			if st.Proof != want {
				t.Errorf("%s: %s, alone %s; %q", name, st.Proof, want, said)
			}
			if st.Checked < 200 {
				t.Errorf("%s: %d rows were checked", name, st.Checked)
			}
			if rows++; a.first.Load() > 0 || on.a == 0 && b.first.Load() > 0 {
				break
			}
		}
		e.Close()
		text := strings.Join(said, "\n")
		blames := on.blames
		if blames == "" {
			blames = "peer:a computes layers 2–5 wrongly"
		}
		if !strings.Contains(text, blames) {
			t.Errorf("%s: nobody says %q: a was wrong at row %d of %d, b at %d of %d; %q", name, blames, a.first.Load(), a.rows.Load(), b.first.Load(), b.rows.Load(), said)
		}
		if late := a.rows.Load() - a.first.Load(); on.a > 0 && late > 200 {
			t.Errorf("%s: a answered %d rows after its wrong one", name, late)
		}
		if on.a > 0 && !strings.Contains(text, "peer d takes the place of a") {
			t.Errorf("%s: %q", name, said)
		}
	}
}

// a1 is one in so many; 0 is none.
func a1(n int) int {
	if n == 0 {
		return math.MaxInt
	}
	return n
}

// TestCheckedIsTheSame: an answer that is checked is the one that is not, however it ends:
// with the same stream of tokens, stop, and proof.
func TestCheckedIsTheSame(t *testing.T) {
	l := &lan{}
	for _, id := range []string{"a", "b", "c", "d"} {
		work(t, l, id, builtIn)
	}
	alone := openEngine(t, builtIn, engine.Options{})
	e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 2, 2}, Peers: []model.Device{find(t, l, "a"), find(t, l, "b")},
		Checks: []model.Device{find(t, l, "c"), engine.Home}})
	for name, change := range map[string]func(r *engine.Request){
		"as asked": func(r *engine.Request) {},
		"one":      func(r *engine.Request) { r.MaxTokens = 1 },
		"none":     func(r *engine.Request) { r.MaxTokens = 0 },
		"until": func(r *engine.Request) {
			n := 0
			r.Until = func(int32) bool { n++; return n == 21 }
		},
		"allowed": func(r *engine.Request) { r.MaxTokens = 5; r.Allow = func() ([]uint64, error) { return nil, nil } },
		"to the context": func(r *engine.Request) {
			r.MaxTokens = -1
			for len(r.Tokens) < 480 {
				r.Tokens = append(r.Tokens, r.Tokens...)
			}
			r.Tokens = r.Tokens[:480]
		},
	} {
		say := func(e *engine.Engine) (ids []int32, st engine.Stats) {
			r := asked(e, 50)
			change(&r)
			st, err := e.Generate(context.Background(), r, nil, func(id int32) { ids = append(ids, id) })
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			return ids, st
		}
		want, st := say(alone)
		got, checked := say(e)
		if string(idBytes(got)) != string(idBytes(want)) || checked.Proof != st.Proof || checked.Stop != st.Stop || checked.GeneratedTokens != st.GeneratedTokens {
			t.Errorf("%s: %v %s %s %d, alone %v %s %s %d", name, got, checked.Proof, checked.Stop, checked.GeneratedTokens, want, st.Proof, st.Stop, st.GeneratedTokens)
		}
		if checked.Checked == 0 && checked.CachedTokens == 0 {
			t.Errorf("%s: nothing was checked", name)
		}
	}
	scores := func(e *engine.Engine) (all []float64) {
		ids := e.Prompt("The Congress shall have the power to lay and collect taxes.", false)
		if err := e.Score(context.Background(), ids, engine.ScoreOptions{}, func(r engine.Row) error { all = append(all, r.LogProb); return nil }); err != nil {
			t.Error(err)
		}
		return all
	}
	want, got := scores(alone), scores(e)
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("scores %v, alone %v", got, want)
		}
	}
}

func idBytes(ids []int32) (b []byte) {
	for _, id := range ids {
		b = append(b, byte(id), byte(id>>8), byte(id>>16))
	}
	return b
}
