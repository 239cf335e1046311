package peer

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"eclat/engine"
	"eclat/loader"
	"eclat/model"
	"eclat/model/numerics"
	"eclat/model/rows"
)

// TestRowsHostile: rows that are none of the format that was asked for, by length or by what
// they hold, end in an error that says so, and the worker stays what it is.
func TestRowsHostile(t *testing.T) {
	w := hostile(t)
	sum, _ := ModelSum(w.Models[0])
	width := w.Models[0].Config.NEmbd
	said := func(format string, body []byte) []byte {
		batch := run{Pos: []int32{0}, Seqs: []model.SeqRun{{N: 1, Units: [][]int32{{0}}}}}
		return append(append(opening(t, w), frame(&request{Op: opCompile, Seq: 3, Rows: format, Compile: &compile{Options: model.CompileOptions{Size: model.Size{Tokens: 8, Want: 8}}}}, nil)...),
			frame(&request{Op: opRun, Seq: 4, Program: 1, Run: &batch}, body)...)
	}
	with := func(f rows.Format, at int, b ...byte) []byte {
		body := make([]byte, f.Bytes(width))
		copy(body[at:], b)
		return body
	}
	for name, c := range map[string]struct {
		format string
		body   []byte
		says   string
	}{
		"f32 in the place of f16":  {"f16", make([]byte, 4*width), "512 hidden values for 1 rows of 256"},
		"f16 in the place of q8_0": {"q8_0", make([]byte, 2*width), "are no rows of 256 elements in q8_0"},
		"q8_0 without a format":    {"", make([]byte, rows.Q8_0.Bytes(width)), "are no rows of 256 elements in f32"},
		"half of a row":            {"f16", make([]byte, width), "are no rows of 256 elements in f16"},
		"none":                     {"q8_0", nil, "0 hidden values for 1 rows of 256"},
		"two":                      {"q8_0", make([]byte, 2*rows.Q8_0.Bytes(width)), "512 hidden values"},
		"a NaN in f16":             {"f16", with(rows.F16, 2*width-2, 1, 0x7e), "element 255 of row 0 is no finite number"},
		"an infinity in f16":       {"f16", with(rows.F16, 0, 0, 0xfc), "element 0 of row 0 is no finite number"},
		"an exponent of q8_0":      {"q8_0", with(rows.Q8_0, 33, 200), "the exponent 140"},
		"-128 in q8_0":             {"q8_0", with(rows.Q8_0, 32, 0x80), "element 31 of row 0 is -128"},
		"another format":           {"q3_k", nil, `rows as \"q3_k\" are of another release`},
		"an endless format":        {strings.Repeat("x", 1<<16), nil, `are of another release`},
	} {
		answer := talkTo(w, said(c.format, c.body))
		if !bytes.Contains(answer, []byte(c.says)) || len(answer) > 4096 {
			t.Errorf("%s: of %d bytes answered, the last are %.600q", name, len(answer), answer[max(0, len(answer)-600):])
		}
	}
	hello := frame(&request{Op: opHello, Rows: "q3_k", Hello: &hello{numerics.Version, sum}}, nil)
	if answer := talkTo(w, hello); !bytes.Contains(answer, []byte("of another release")) || bytes.Contains(answer, []byte(`"Device"`)) {
		t.Errorf("a hello of another format: %.600q", answer)
	}
	for _, f := range rows.Formats { // and it answers in the format that was asked for
		name := formatName(f)
		if answer := talkTo(w, said(name, make([]byte, f.Bytes(width)))); bytes.Contains(answer, []byte(`"Err"`)) || len(answer) < f.Bytes(width) {
			t.Errorf("%v: %.600q", f, answer)
		}
	}
	if n, bytes := w.Sessions(); n != 0 || bytes != 0 {
		t.Errorf("%d sessions with %d bytes are left", n, bytes)
	}
}

// TestRowsHostileAnswers: a worker whose rows are none of the format is not asked again, by
// name; another takes its place, and the answer is the right one.
func TestRowsHostileAnswers(t *testing.T) {
	for _, f := range rounding {
		want := proof(t, atHome(t, builtIn, f, 2, 4), 40, nil)
		for name, on := range map[string]struct {
			change func(body []byte) []byte
			says   string
		}{
			"short":      {func(b []byte) []byte { return b[:len(b)-1] }, "were due"},
			"half":       {func(b []byte) []byte { return b[:len(b)/2] }, "were due"},
			"long":       {func(b []byte) []byte { return append(b, 0) }, "where at most"},
			"as f32":     {func(b []byte) []byte { return make([]byte, 1024) }, "where at most"},
			"not finite": {func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) }, "a row does not fit its format"},
			"-128":       {func(b []byte) []byte { return bytes.Repeat([]byte{0x80}, len(b)) }, ""}, // of f16 a number
		} {
			if on.says == "" {
				if f == rows.F16 {
					continue
				}
				on.says = "below -127"
			}
			l := &lan{}
			a, _ := work(t, l, "a", builtIn)
			work(t, l, "b", builtIn)
			var said []string
			e := openEngine(t, builtIn, engine.Options{Context: 1024, Layers: []int{2, 4}, Peers: []model.Device{findRows(t, l, f, "a", "b")}, Notice: func(s string) { said = append(said, s) }})
			changed := 0
			a.meddle = rewrite(3, func(r *reply, body []byte) ([]byte, int) {
				if len(body) == f.Bytes(256) { // a row of the answer; its receipt is wrong too, where one is due
					body = on.change(bytes.Clone(body))
					changed++
				}
				return body, 1
			})
			if got := proof(t, e, 40, nil); got != want || changed != 1 {
				t.Errorf("%v, %s: %s, undisturbed %s; %d answers were changed", f, name, got, want, changed)
			}
			text := strings.Join(said, "\n")
			if !strings.Contains(text, on.says) || !strings.Contains(text, "not asked again") || !strings.Contains(text, "peer b takes the place of a") {
				t.Errorf("%v, %s: %q", f, name, said)
			}
			e.Close()
		}
	}
}

// TestRowsOlder: a worker of an older release, which knows float32 alone, is refused in a
// line that says so where rows go in another format, before anything is loaded; else it is
// asked as before. One that would only stand by is left out.
func TestRowsOlder(t *testing.T) {
	l := &lan{}
	_, w := work(t, l, "new", builtIn)
	old := l.join("old")
	old.Handle(Protocol, func(s Stream) { w.Serve(unknowing{s}) })
	t.Cleanup(old.kill)
	for _, f := range rows.Formats {
		_, err := Find(context.Background(), Device{Net: l.join("home"), Peers: []string{"old"}, Rows: f})
		if f == rows.F32 {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "peer old: its release is an older one, which sends rows as f32 alone, not as "+f.String()) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", f, err)
		}
		d := findRows(t, l, f, "new", "old")
		d.Preload = true
		var said []string
		e := openEngine(t, builtIn, engine.Options{Context: 1024, Layers: []int{2, 4}, Peers: []model.Device{d}, Notice: func(s string) { said = append(said, s) }})
		proof(t, e, 4, nil)
		if text := strings.Join(said, "\n"); !strings.Contains(text, "peer old does not stand by: peer old: its release is an older one") {
			t.Errorf("%v: %q", f, said)
		}
		e.Close()
	}
}

// unknowing is a stream to a worker that has never heard of formats.
type unknowing struct{ Stream }

func (u unknowing) Write(b []byte) (int, error) {
	for _, f := range rounding {
		b = bytes.Replace(b, []byte(`"Rows":"`+f.String()+`"`), []byte(`"Rews":"`+f.String()+`"`), 1)
	}
	return u.Stream.Write(b)
}

// TestRowsChecker: what checks a worker must be sent rows in the same format.
func TestRowsChecker(t *testing.T) {
	l := &lan{}
	work(t, l, "a", builtIn)
	work(t, l, "b", builtIn)
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	_, err = engine.Open(context.Background(), f, engine.Options{Device: "cpu", Layers: []int{2, 4}, Peers: []model.Device{findRows(t, l, rows.Q8_0, "a")}, Checks: []model.Device{find(t, l, "b")}})
	if err == nil || !strings.Contains(err.Error(), "rows travel as q8_0 to peer:a and as f32 to peer:b, which checks it") {
		t.Errorf("%v", err)
	}
}
