package peer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"eclat/cpu"
	"eclat/engine"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/rows"
)

// atHome is an engine of one process that rounds as machines with these layers do.
func atHome(t testing.TB, path string, f rows.Format, cut ...int) *engine.Engine {
	var peers []model.Device
	for range cut[1:] {
		peers = append(peers, backendtest.Rounding(cpu.Devices(1)[0], f))
	}
	return openEngine(t, path, engine.Options{Context: 1024, Peers: peers, Layers: cut})
}

// findRows is find, with rows in a format.
func findRows(t testing.TB, l *lan, f rows.Format, peers ...string) *Device {
	t.Helper()
	d, err := Find(context.Background(), Device{Net: l.join("home"), Peers: peers, Rows: f})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// rounding are the formats that change a row.
var rounding = []rows.Format{rows.F16, rows.Q8_0}

// TestRowsCuts: with rows in each format a model over three machines has the bits of one
// process that rounds at the same layers, wherever it is cut, with prompts in chunks of 1, of
// 7 and of 512, plain and drafted; and they are not those of another format.
func TestRowsCuts(t *testing.T) {
	m := backendtest.Open(t, builtIn)
	n := m.Config.NLayer
	nets := map[int]*lan{1: {}, 7: {}, 512: {}}
	for chunk, l := range nets {
		for _, id := range []string{"a", "b"} {
			l.join(id).Handle(Protocol, (&Worker{Models: []*model.Model{m}, Device: chunked{cpu.Devices(1)[0], chunk}}).Serve)
		}
	}
	exact := openEngine(t, builtIn, engine.Options{Context: 1024})
	ask := func(e *engine.Engine, tokens, draft int) engine.Proof {
		r := asked(e, 16)
		r.Draft = draft
		if r.Tokens = e.Prompt(strings.Repeat("The people of the United States. ", 90), false)[:tokens]; len(r.Tokens) != tokens {
			t.Fatal("the text is short")
		}
		st, err := e.Generate(t.Context(), r, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return st.Proof
	}
	lengths := map[int]int{1: 40, 7: 40, 512: 530} // of prompts, in tokens
	inF32 := map[int]engine.Proof{}
	for _, tokens := range lengths {
		inF32[tokens] = ask(exact, tokens, 0)
	}
	for _, f := range rounding {
		for own := 0; own <= n; own++ {
			for a := 0; a <= n-own; a++ {
				if testing.Short() && a != own {
					continue
				}
				cut := []int{own, a, n - own - a}
				home := atHome(t, builtIn, f, cut...)
				for chunk, tokens := range lengths {
					want := ask(home, tokens, 0)
					if (inF32[tokens] == want) != (own == n) {
						t.Errorf("%v cut as %v: %s, in f32 %s", f, cut, want, inF32[tokens])
					}
					e := openEngine(t, builtIn, engine.Options{Context: 1024, Layers: cut, Peers: []model.Device{findRows(t, nets[chunk], f, "a"), findRows(t, nets[chunk], f, "b")}})
					for _, draft := range []int{0, engine.MaxDraft} {
						if got := ask(e, tokens, draft); got != want {
							t.Errorf("%v cut as %v, chunks of %d, %d guesses: %s, at home %s", f, cut, e.Chunk, draft, got, want)
						}
					}
					e.Close()
				}
				home.Close()
			}
		}
	}
}

// TestRowsModels: models with experts and with states have the bits of one process too, in
// each format, before and after a loss.
func TestRowsModels(t *testing.T) {
	for _, path := range killedModels(t)[1:] {
		n := backendtest.Open(t, path).Config.NLayer
		cut := []int{1, 1, n - 2}
		for _, f := range rounding {
			l := &lan{}
			for _, id := range []string{"a", "b", "c"} {
				work(t, l, id, path)
			}
			home := atHome(t, path, f, cut...)
			want := proof(t, home, 12, nil)
			e := openEngine(t, path, engine.Options{Context: 1024, Layers: cut, Peers: []model.Device{findRows(t, l, f, "a", "c"), findRows(t, l, f, "b")}})
			if got := proof(t, e, 12, nil); got != want {
				t.Errorf("%s, %v: %s, at home %s", path, f, got, want)
			}
			for lost, id := range []string{"a", "b"} { // another takes the place of the first, this machine that of the second
				if cut[1+lost] == 0 {
					continue
				}
				r := asked(e, 12)
				r.Caller = id // nothing is found computed
				tokens := 0
				st, err := e.Generate(t.Context(), r, nil, func(int32) {
					if tokens++; tokens == 4 {
						l.machines[id].kill()
					}
				})
				if err != nil || st.Proof != want || e.Losses() <= lost {
					t.Errorf("%s, %v, without %s: %s, at home %s; %v, %d losses", path, f, id, st.Proof, want, err, e.Losses())
				}
			}
			e.Close()
			home.Close()
		}
	}
}

// TestRowsLost: with rows that are rounded an answer has the same bits whether machines are
// lost or not: where another one that stands by takes the place, where the log is sent to one
// that does not, where all tokens run again, and where the layers move to this machine, for
// this answer and the next; and so it has where a worker that flips a bit is found out.
func TestRowsLost(t *testing.T) {
	m := backendtest.Open(t, builtIn)
	for _, f := range rounding {
		home := atHome(t, builtIn, f, 1, 2, 3)
		want := proof(t, home, 40, nil)
		if exact := proof(t, openEngine(t, builtIn, engine.Options{}), 40, nil); exact == want {
			t.Fatalf("%v changes nothing", f)
		}
		for name, on := range map[string]struct {
			peers   []string
			preload bool
			log     int64
			liar    string // one row in 30 that it answers is wrong; nobody is killed
			check   []string
			says    string // "" for nothing of losses and of wrong rows
		}{
			"standing by":      {peers: []string{"a", "c"}, preload: true, says: "peer c takes the place of a"},
			"another":          {peers: []string{"a", "c"}, says: "answered again each has the bits"},
			"without a log":    {peers: []string{"a", "c"}, log: 1, says: "peer c takes the place of a"},
			"home":             {peers: []string{"a"}, says: "layers 1–2 move to this machine"},
			"home, by no log":  {peers: []string{"a"}, log: 1, says: "layers 1–2 move to this machine"},
			"checked at home":  {peers: []string{"a", "c"}, liar: "a", check: []string{"home"}, says: "peer:a computes layers 1–2 wrongly"},
			"checked by d":     {peers: []string{"a", "c"}, liar: "a", check: []string{"d", "c"}, says: "peer:a computes layers 1–2 wrongly"},
			"checked, to home": {peers: []string{"a"}, liar: "a", check: []string{"home"}, says: "layers 1–2 move to this machine"},
			"d is wrong":       {peers: []string{"a", "c"}, liar: "d", check: []string{"d", "c"}, says: "peer:d, which checks layers 1–2, computes wrongly"},
			"nobody is wrong":  {peers: []string{"a", "c"}, liar: "nobody", check: []string{"home"}},
			"nor is d":         {peers: []string{"a", "c"}, liar: "nobody", check: []string{"d", "c"}},
		} {
			l := &lan{}
			for _, id := range []string{"a", "b", "c", "d"} {
				if id == on.liar {
					lie(t, l, id, m, 5, 30)
				} else {
					work(t, l, id, builtIn)
				}
			}
			d := findRows(t, l, f, on.peers...)
			d.Preload = on.preload
			var said []string
			o := engine.Options{Context: 1024, Layers: []int{1, 2, 3}, PeerLog: on.log, Peers: []model.Device{d, findRows(t, l, f, "b")}, Notice: func(s string) { said = append(said, s) }}
			switch {
			case on.check == nil:
			case on.check[0] == "home":
				o.Checks = []model.Device{engine.Home}
			default:
				o.Checks = []model.Device{findRows(t, l, f, on.check...)}
			}
			e := openEngine(t, builtIn, o)
			for i := range 2 {
				r := asked(e, 40)
				r.Caller = fmt.Sprint(i) // nothing is found computed
				if on.liar != "" {
					r.Draft = 0 // what a wrong guess left is not compared
				}
				n := 0
				st, err := e.Generate(t.Context(), r, nil, func(int32) {
					if n++; n == 13 && i == 0 && on.liar == "" {
						l.machines["a"].kill()
					}
				})
				if err != nil || st.Proof != want || i == 0 && on.check != nil && st.Losses == 0 && st.Checked == 0 {
					t.Errorf("%v, %s, answer %d: %s, undisturbed %s; %v; %q", f, name, i, st.Proof, want, err, said)
				}
			}
			if text := strings.Join(said, "\n"); !strings.Contains(text, on.says) || on.says == "" && (strings.Contains(text, "wrongly") || e.Losses() > 0) || on.liar == "d" && strings.Contains(text, "peer:a computes") {
				t.Errorf("%v, %s: nobody says %q: %q", f, name, on.says, said)
			}
			e.Close()
		}
	}
}

// TestRowsKilledAnywhere: a worker is killed at each of its frames, and what takes its place,
// another one or this machine, goes on with the same bits.
func TestRowsKilledAnywhere(t *testing.T) {
	m := backendtest.Open(t, builtIn)
	for _, f := range rounding {
		want := proof(t, atHome(t, builtIn, f, 2, 4), 6, nil)
		for _, spare := range [][]string{{"a", "b"}, {"a"}} {
			frames := 1
			for kill := 1; kill <= frames; kill++ {
				l := &lan{}
				a, _ := workCounted(t, l, "a", m)
				b, _ := workCounted(t, l, "b", m)
				var said []string
				e := openEngine(t, builtIn, engine.Options{Context: 1024, Layers: []int{2, 4}, Peers: []model.Device{findRows(t, l, f, spare...)}, Notice: func(s string) { said = append(said, s) }})
				n := 0
				a.meddle = func(b []byte) []byte {
					if n++; n == kill {
						a.kill()
						return nil
					}
					return b
				}
				if got := proof(t, e, 6, nil); got != want {
					t.Errorf("%v, killed at frame %d of %v: %s, undisturbed %s; %q", f, kill, spare, got, want, said)
				}
				if again := proof(t, e, 6, nil); again != want {
					t.Errorf("%v, killed at frame %d of %v: the next answer has %s, undisturbed %s; %q", f, kill, spare, again, want, said)
				}
				e.Close()
				a.kill()
				b.kill()
				if kill == 1 {
					frames = 6 // a chunk, and one a token
				}
			}
		}
	}
}

// TestRowsProbe: a probe reads on rounded rows what it reads in one process that rounds there.
func TestRowsProbe(t *testing.T) {
	l := &lan{}
	work(t, l, "a", builtIn)
	work(t, l, "b", builtIn)
	read := func(e *engine.Engine) (all []uint32) {
		o := engine.ProbeOptions{Tokens: 8, Trace: true}
		p, err := e.NewProbe(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		logits, err := p.Run(t.Context(), e.Prompt("The Congress of", false))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bitsOf(logits)...)
		for i, s := range p.Steps {
			if !s.Kept {
				continue
			}
			dst := make([]float32, 8*s.Cols)
			n, err := p.Read(t.Context(), i, dst)
			if err != nil {
				t.Fatalf("%s: %v", s.Name, err)
			}
			all = append(all, bitsOf(dst[:n])...)
		}
		return all
	}
	exact := read(atHome(t, builtIn, rows.F32, 2, 2, 2))
	for _, f := range rounding {
		want := read(atHome(t, builtIn, f, 2, 2, 2))
		got := read(openEngine(t, builtIn, engine.Options{Context: 1024, Layers: []int{2, 2, 2}, Peers: []model.Device{findRows(t, l, f, "a"), findRows(t, l, f, "b")}}))
		if fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(exact) == fmt.Sprint(want) {
			t.Errorf("%v: other activations than in one process, of %d", f, len(want))
		}
	}
}

// TestRowsMeasured: what a round trip is measured with are rows of the format, so that the
// prediction counts their bytes.
func TestRowsMeasured(t *testing.T) {
	m := backendtest.Open(t, builtIn)
	for _, f := range rows.Formats {
		l := &lan{}
		a, _ := work(t, l, "a", builtIn)
		sent := map[int]int{} // answers by their bytes
		a.meddle = rewrite(1, func(r *reply, body []byte) ([]byte, int) {
			if r.Token > 0 {
				sent[len(body)]++
			}
			return body, 1
		})
		far, err := findRows(t, l, f, "a").Measure(t.Context(), m, model.Stage{First: 3, End: 4})
		if err != nil || far.Hop <= 0 || len(sent) != 1 || sent[f.Bytes(m.Config.NEmbd)] < 4 {
			t.Errorf("%v: %+v, %v; answers by their bytes: %v", f, far, err, sent)
		}
	}
}

func bitsOf(x []float32) (b []uint32) {
	for _, v := range x {
		b = append(b, math.Float32bits(v))
	}
	return b
}

// large is a device that answers a large number in each row from some run on.
type large struct {
	model.Device
	x     float32
	after int
	runs  *int
}

func (d large) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	b, err := d.Device.Open(ctx, o)
	return backendtest.Around(b, err, func(ctx context.Context, p model.Program, b *model.Batch, out *model.Outputs) error {
		err := p.Run(ctx, b, out)
		if *d.runs++; err == nil && *d.runs > d.after {
			out.Rows = append([]float32(nil), out.Rows...)
			out.Rows[3] = d.x
		}
		return err
	})
}

// TestRowsTooLarge: a number that a format does not hold ends the answer with a line that
// says which one, whoever computed it; a format that holds it goes on.
func TestRowsTooLarge(t *testing.T) {
	m := backendtest.Open(t, builtIn)
	for _, f := range rows.Formats {
		for _, x := range []float32{70000, float32(math.NaN())} {
			l := &lan{}
			a := l.join("a")
			runs := 0
			a.Handle(Protocol, (&Worker{Models: []*model.Model{m}, Device: large{cpu.Devices(1)[0], x, 3, &runs}}).Serve)
			t.Cleanup(a.kill)
			e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 4}, Peers: []model.Device{findRows(t, l, f, "a")}})
			for range 2 { // it ends an answer, and nothing else
				_, err := e.Generate(t.Context(), asked(e, 20), nil, nil)
				switch holds := f == rows.F32 || f == rows.Q8_0 && x == x; {
				case holds && x == x && err != nil:
					t.Errorf("%v of %g: %v", f, x, err)
				case holds && x != x && !errors.Is(err, engine.ErrNotFinite):
					t.Errorf("%v of %g: %v", f, x, err)
				case !holds && (!errors.Is(err, rows.ErrRange) || !strings.Contains(err.Error(), "element 3 of row 0 is ") || strings.Contains(err.Error(), "\n")):
					t.Errorf("%v of %g: %v", f, x, err)
				}
			}
			if n := e.Losses(); n > 0 {
				t.Errorf("%v of %g: %d losses", f, x, n)
			}
		}
	}
}
