package peer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eclat/cpu"
	"eclat/engine"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/rows"
)

// rewrite changes the head and the body of each frame of a worker from the n-th on.
func rewrite(n int, change func(r *reply, body []byte) ([]byte, int)) func([]byte) []byte {
	at := 0
	var last []byte
	return func(b []byte) []byte {
		if at++; at < n {
			return b
		}
		var r reply
		f := frames{rw: readOnly{bytes.NewReader(b)}}
		body, err := f.read(&r, nil, mostBody)
		if err != nil || r.Beat {
			return b
		}
		body, times := change(&r, body)
		var out bytes.Buffer
		f.rw = &out
		f.write(&r, body)
		last = bytes.Clone(out.Bytes())
		return bytes.Repeat(last, times)
	}
}

type readOnly struct{ io.Reader }

func (readOnly) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestHostileAnswers: a worker that answers an earlier request again, or for another one,
// signs what it did not answer or nothing, is not asked again, by name; another takes its
// place and the answer is the right one.
func TestHostileAnswers(t *testing.T) {
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(text []byte) ([]byte, error) { return ed25519.Sign(key, text), nil }
	for name, on := range map[string]struct {
		says   string
		change func(r *reply, body []byte) ([]byte, int)
	}{
		"replayed":          {"it answers request", func(r *reply, body []byte) ([]byte, int) { return body, 2 }},
		"steps backwards":   {"it answers request", func(r *reply, body []byte) ([]byte, int) { r.Seq--; return body, 1 }},
		"of another epoch":  {"it answers request", func(r *reply, body []byte) ([]byte, int) { r.Seq += 1 << 20; return body, 1 }},
		"receipt of others": {"its receipt is of other rows", func(r *reply, body []byte) ([]byte, int) { r.Receipt = &Receipt{Rows: 7}; return body, 1 }},
		"receipt of no key": {"its receipt is not signed by its key", func(r *reply, body []byte) ([]byte, int) {
			if r.Receipt != nil {
				r.Receipt.Sig = nil
			}
			return body, 1
		}},
		"no receipt": {"it signs no receipt", func(r *reply, body []byte) ([]byte, int) { r.Receipt = nil; return body, 1 }},
		"rows it does not sign": {"its receipt is of other rows", func(r *reply, body []byte) ([]byte, int) {
			if len(body) > 0 && len(r.Tokens) == 0 {
				body[0] ^= 1
			}
			return body, 1
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &lan{}
			a, w := work(t, l, "a", builtIn)
			_, v := work(t, l, "b", builtIn)
			w.Sign, v.Sign = sign, sign
			want := proof(t, openEngine(t, builtIn, engine.Options{}), 70, nil)
			d := find(t, l, "a", "b")
			d.Verify = func(peer string, text, sig []byte) bool { return ed25519.Verify(public, text, sig) }
			var said []string
			e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 4}, Peers: []model.Device{d}, Notice: func(s string) { said = append(said, s) }})
			a.meddle = rewrite(3, on.change)
			st, err := e.Generate(context.Background(), asked(e, 70), nil, nil)
			text := strings.Join(said, "\n")
			if err != nil || !strings.Contains(text, "peer a: "+on.says) || !strings.Contains(text, "not asked again") {
				t.Errorf("%v; %q", err, said)
			}
			if name != "rows it does not sign" && st.Proof != want {
				t.Errorf("%s, alone %s", st.Proof, want)
			}
			facts, err := e.Facts(context.Background())
			if err != nil || !slices.ContainsFunc(facts, func(f engine.Facts) bool {
				return slices.ContainsFunc(f.Details, func(d model.Detail) bool { return d.Name == "receipt" && strings.HasPrefix(d.Value, "rows ") })
			}) {
				t.Errorf("no receipt is known: %v, %v", facts, err)
			}
		})
	}
}

// TestNotFinite: rows that are not finite end the request with an error that says so, and
// where they are checked the worker is named and the answer is the right one.
func TestNotFinite(t *testing.T) {
	for _, checked := range []bool{false, true} {
		l := &lan{}
		m := backendtest.Open(t, builtIn)
		lie(t, l, "a", m, 3, 10).nan = true
		work(t, l, "b", builtIn)
		want := proof(t, openEngine(t, builtIn, engine.Options{}), 100, nil)
		o := engine.Options{Layers: []int{2, 4}, Peers: []model.Device{find(t, l, "a", "b")}}
		if checked {
			o.Checks = []model.Device{engine.Home}
		}
		var said []string
		o.Notice = func(s string) { said = append(said, s) }
		e := openEngine(t, builtIn, o)
		st, err := e.Generate(context.Background(), asked(e, 100), nil, nil)
		switch {
		case checked && (err != nil || st.Proof != want || !strings.Contains(strings.Join(said, "\n"), "peer:a computes layers 2–5 wrongly")):
			t.Errorf("checked: %v, %s, alone %s; %q", err, st.Proof, want, said)
		case !checked && !errors.Is(err, engine.ErrNotFinite):
			t.Errorf("not checked: %v", err)
		}
	}
}

// TestSlowAnswer: a worker whose answer comes a byte at a time, or whose beats go on and on
// without one, is lost.
func TestSlowAnswer(t *testing.T) {
	for name, how := range map[string]func(s Stream, r *request){
		"a byte a second": func(s Stream, r *request) {
			for _, c := range frame(&reply{Seq: r.Seq, What: strings.Repeat("x", 1<<16)}, nil) {
				time.Sleep(time.Second)
				if _, err := s.Write([]byte{c}); err != nil {
					return
				}
			}
		},
		"beats for ever": func(s Stream, r *request) {
			for {
				time.Sleep(beat)
				if _, err := s.Write(frame(&reply{Seq: r.Seq, Beat: true}, nil)); err != nil {
					return
				}
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &lan{}
			a := l.join("a")
			a.Handle(Protocol, func(s Stream) {
				f := frames{rw: s}
				var r request
				if _, err := f.read(&r, nil, 1<<20); err != nil {
					return
				}
				how(s, &r)
			})
			start := time.Now()
			_, err := Find(context.Background(), Device{Net: l.join("home"), Peers: []string{"a"}})
			if err == nil || time.Since(start) > mostTime+time.Minute {
				t.Errorf("%s: %v after %v", name, err, time.Since(start))
			}
			a.kill()
			time.Sleep(time.Minute) // it notices when it writes
		})
	}
}

// TestNothingLeft: after engines that lost workers, were cancelled and closed no goroutine
// and no session is left.
func TestNothingLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 5 {
		l := &lan{}
		m := backendtest.Open(t, builtIn)
		var workers []*Worker
		for _, id := range []string{"a", "b", "c"} {
			w := &Worker{Models: []*model.Model{m}, Device: cpu.Devices(1)[0]}
			l.join(id).Handle(Protocol, w.Serve)
			workers = append(workers, w)
		}
		e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 2, 2}, Peers: []model.Device{find(t, l, "a", "c"), find(t, l, "b", "c")}, Checks: []model.Device{engine.Home}})
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		e.Generate(ctx, asked(e, 60), nil, func(int32) {
			if n++; n == 5 {
				l.machines["a"].kill()
			}
			if n == 20+i {
				cancel()
			}
		})
		cancel()
		e.Close()
		for _, w := range workers {
			for range 200 {
				if left, _ := w.Sessions(); left == 0 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if left, bytes := w.Sessions(); left != 0 || bytes != 0 {
				t.Errorf("%d sessions with %d bytes are left", left, bytes)
			}
		}
	}
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, before %d", runtime.NumGoroutine(), before)
}

// FuzzAnswers: whatever a worker says, the side that asks ends with an answer or an error.
func FuzzAnswers(f *testing.F) {
	m := backendtest.Open(f, builtIn)
	room := model.Room{Pages: 4, Seqs: 1, Chunk: 8}
	plan, err := m.Plan(model.Stage{First: 4, End: 6}, room)
	if err != nil {
		f.Fatal(err)
	}
	w := who{Kind: model.Processor, Chunk: 8}
	said := slices.Concat(frame(&reply{Seq: 1, Hello: &welcome{hello{Numbers: 2}, w}}, nil),
		frame(&reply{Seq: 2, Load: &loaded{Units: []int{64}}}, nil), frame(&reply{Seq: 3, Program: 1}, nil),
		frame(&reply{Seq: 4}, make([]byte, 4*256)))
	f.Add(said)
	f.Add(slices.Concat(said[:len(said)-4*256-len(frame(&reply{Seq: 4}, nil))], frame(&reply{Seq: 4}, make([]byte, rows.Q8_0.Bytes(256)))))
	f.Add(said[:len(said)/2])
	f.Add(frame(&reply{Seq: 1, Beat: true, What: "weights", Total: 1 << 62, Done: -1}, nil))
	f.Add(frame(json.RawMessage(`{"Seq":2,"Load":{"Units":[-1]}}`), nil))
	f.Fuzz(func(t *testing.T, said []byte) {
		for _, format := range rows.Formats {
			hearAll(m, plan, said, format)
		}
	})
}

// hearAll asks all there is to ask somebody who says said.
func hearAll(m *model.Model, plan *model.Plan, said []byte, format rows.Format) {
	l := &line{peer: "fuzz", writing: newTurn(), stream: &deaf{bytes.NewReader(said)}}
	l.frames.rw = l.stream
	ctx := context.Background()
	d := &Device{Peers: []string{"fuzz"}, losses: map[string]int{}, model: "x", Rows: format}
	if _, _, err := l.ask(ctx, &request{Op: opHello}, nil, 0, nil); err != nil {
		return
	}
	b := &backend{d: d, line: l, o: model.OpenOptions{Progress: func(string, int64, int64) {}}}
	if b.Load(ctx, m.File, plan) != nil {
		return
	}
	b.Info()
	p, err := b.Compile(plan, model.CompileOptions{Size: model.Size{Tokens: 8}})
	if err != nil {
		return
	}
	batch := model.Batch{Rows: make([]float32, 256), Pos: []int32{0}, Seqs: []model.SeqRun{{N: 1, Units: make([][]int32, len(plan.Pools))}}}
	for i := range plan.Pools {
		batch.Seqs[0].Units[i] = []int32{0}
	}
	var out model.Outputs
	p.Run(ctx, &batch, &out)
	p.Read(0, make([]float32, 8))
	b.Save(ctx, 0, 0, make([]byte, 64))
	p.Close()
	b.Close()
}

// deaf is a stream from which only this comes.
type deaf struct{ *bytes.Reader }

func (*deaf) Write(b []byte) (int, error)      { return len(b), nil }
func (*deaf) Close() error                     { return nil }
func (*deaf) Peer() string                     { return "fuzz" }
func (*deaf) Address() string                  { return "" }
func (*deaf) Reset() error                     { return nil }
func (*deaf) SetReadDeadline(time.Time) error  { return nil }
func (*deaf) SetWriteDeadline(time.Time) error { return nil }
