package conversation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eclat/engine"
	"eclat/engine/turn"
	"eclat/loader"
	"eclat/model/chat"
	"eclat/model/sample"
	"eclat/testdata"
)

// open begins a conversation with the built-in model and a template.
func open(t testing.TB, template string, o engine.Options) *Conversation {
	t.Helper()
	f, err := loader.FromBytes("built in", testdata.Model)
	if err != nil {
		t.Fatal(err)
	}
	o.Device, o.Parallel = "cpu", 1
	e, err := engine.Open(context.Background(), f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	var tmpl *chat.Template
	if chat.BuiltIn(template) {
		tmpl, err = chat.ParseBuiltIn(context.Background(), template)
	} else {
		tmpl, err = chat.Parse(context.Background(), "test", "a test", template, "", "")
	}
	if err != nil {
		t.Fatal(err)
	}
	return &Conversation{Model: turn.New(e, tmpl), Now: func() time.Time { return time.Unix(0, 0).UTC() }}
}

func settings() sample.Settings {
	how := sample.Defaults()
	how.Seed = 7
	return how
}

// say says something and takes up the answer.
func say(t *testing.T, c *Conversation, how sample.Settings, text string) turn.Result {
	t.Helper()
	p, err := c.Prompt(context.Background(), text)
	if err != nil {
		t.Fatal(err)
	}
	r := turn.Request{Opened: p.Opened, Reasoning: c.Reasoning}
	r.Tokens, r.Share, r.MaxTokens, r.Settings, r.Proof = p.IDs, -1, 20, how, true
	a, err := c.Model.Submit(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, ok := a.Next(); ok; _, ok = a.Next() {
	}
	res, err := a.Result()
	if err != nil {
		t.Fatal(err)
	}
	c.Add(text, p, &res)
	return res
}

// thinks has answers that begin with reasoning, which later prompts leave out.
const thinks = `{% for m in messages %}{{ m.role }}: {{ m.content }}` + "\n" + `{% endfor %}{% if add_generation_prompt %}assistant:<think>{% endif %}`

// TestTurns: the second turn begins with the tokens of the first as they ran, reasoning
// and all, and only what is new is computed; so does the first after an undo.
func TestTurns(t *testing.T) {
	for _, template := range []string{"plain", "chatml", thinks} {
		c := open(t, template, engine.Options{})
		if template == thinks {
			c.Reasoning = 6
		}
		first := say(t, c, settings(), "The people of the")
		ids := c.Tokens()
		second := say(t, c, settings(), "And then")
		if !slices.Equal(c.Tokens()[:len(ids)], ids) || second.CachedTokens != len(ids)-1 {
			t.Errorf("%.20q: %d of %d tokens are cached, %d were known", template, second.CachedTokens, second.PromptTokens, len(ids))
		}
		if template == thinks && (first.ReasoningTokens == 0 || c.Turns[0].Reasoning == "" || c.Turns[0].Answer == "") {
			t.Errorf("%+v", c.Turns[0])
		}
		if u, ok := c.Undo(); !ok || u.User != "And then" || !slices.Equal(c.Tokens(), ids) {
			t.Errorf("undone: %+v, %v", u, ok)
		}
		again := say(t, c, settings(), "And then")
		if again.Proof != second.Proof || !slices.Equal(again.IDs, second.IDs) {
			t.Errorf("%.20q: said again, the answer is another", template)
		}
		if err := c.SetSystem("Be brief."); err != nil || c.Tokens() != nil {
			t.Errorf("another system message: %v, %v", err, c.Tokens())
		}
	}
}

// TestSurplus: as many of the oldest turns go as must.
func TestSurplus(t *testing.T) {
	c := open(t, "chatml", engine.Options{Context: 160})
	ctx := context.Background()
	for n := 0; ; n++ {
		text := strings.Repeat("word ", 4)
		more, err := c.Surplus(ctx, text, 20)
		if err != nil {
			t.Fatal(err)
		}
		if more > 0 {
			if n < 2 || more != 1 {
				t.Errorf("after %d turns %d have to go", n, more)
			}
			c.Drop(more)
			if more, err := c.Surplus(ctx, text, 20); more != 0 || err != nil || len(c.Turns) != n-1 {
				t.Errorf("then %d, %v; %d turns", more, err, len(c.Turns))
			}
			break
		}
		say(t, c, settings(), text)
	}
	if n, err := c.Surplus(ctx, strings.Repeat("word ", 500), 1); err != nil || n != len(c.Turns)+1 {
		t.Errorf("a message that never fits: %d, %v", n, err)
	}
}

// TestSession: a conversation that is found again goes on with the same bits, without
// computing anything twice.
func TestSession(t *testing.T) {
	ctx := context.Background()
	for _, template := range []string{"plain", thinks} {
		path := filepath.Join(t.TempDir(), "s")
		how := settings()
		how.Temp, how.TopK = 0.5, 7
		a := open(t, template, engine.Options{})
		a.Reasoning = 5
		if template == "plain" {
			a.Reasoning = 0
		}
		if err := a.SetSystem("Say: "); err != nil {
			t.Fatal(err)
		}
		s := &Session{Path: path}
		if err := os.WriteFile(path+".part", []byte("of a program that was killed"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Save(ctx, a, &how); err != nil { // nothing has been said
			t.Fatal(err)
		}
		say(t, a, how, "The people of the")
		say(t, a, how, "Second")
		if err := s.Save(ctx, a, &how); err != nil {
			t.Fatal(err)
		}
		if names, _ := filepath.Glob(path + "*"); len(names) != 1 {
			t.Errorf("files: %q", names)
		}
		want := say(t, a, how, "Third")

		b := open(t, template, engine.Options{})
		b.Reasoning = a.Reasoning
		got := sample.Defaults()
		got.MinP = 0.01
		why, err := (&Session{Path: path}).Load(ctx, b, &got, func(flag string) bool { return flag == "min-p" })
		if err != nil || why != nil || b.System() != "Say: " || len(b.Turns) != 2 {
			t.Fatalf("%v, %v, %+v", why, err, b.Turns)
		}
		if got.Temp != 0.5 || got.TopK != 7 || got.Seed != 7 || got.MinP != 0.01 {
			t.Errorf("settings: %+v", got)
		}
		known := len(b.Tokens())
		res := say(t, b, how, "Third")
		if res.Proof != want.Proof || !slices.Equal(res.IDs, want.IDs) || res.CachedTokens != known-1 {
			t.Errorf("%.20q: it goes on with %v, %d of %d cached; want %v", template, res.IDs, res.CachedTokens, known, want.IDs)
		}
		b.Undo()
		b.Undo()
		if len(b.Tokens()) == 0 {
			t.Error("the first turn's tokens are not known")
		}
	}
}

// TestForeign: a session of another template or a damaged one is told, used as far as it
// can be, and kept.
func TestForeign(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "s")
	how := settings()
	a := open(t, "chatml", engine.Options{})
	say(t, a, how, "One")
	if err := (&Session{Path: path}).Save(ctx, a, &how); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	none := func(string) bool { return false }

	b := open(t, "plain", engine.Options{})
	s := &Session{Path: path}
	why, err := s.Load(ctx, b, &how, none)
	if err != nil || !errors.Is(why, engine.ErrForeign) || len(b.Turns) != 1 || b.Turns[0].Answer != a.Turns[0].Answer || b.Tokens() != nil {
		t.Fatalf("%v, %v, %+v", why, err, b.Turns)
	}
	say(t, b, how, "Two")
	for range 2 {
		if err := s.Save(ctx, b, &how); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(path + ".other"); err != nil || !slices.Equal(kept, sound) {
		t.Errorf("the other's is not kept: %v", err)
	}

	for name, data := range map[string][]byte{"cut": sound[:len(sound)/2], "empty": {}, "other": []byte("hello"), "flipped": slices.Concat(sound[:len(sound)-50], []byte{sound[len(sound)-50] ^ 4}, sound[len(sound)-49:])} {
		path := filepath.Join(t.TempDir(), name)
		for i := range 2 {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			s, c := &Session{Path: path}, open(t, "chatml", engine.Options{})
			why, err := s.Load(ctx, c, &how, none)
			if err != nil || !errors.Is(why, engine.ErrDamaged) || len(c.Turns) != 0 {
				t.Errorf("%s: %v, %v", name, why, err)
			}
			if err := s.Save(ctx, c, &how); err != nil {
				t.Fatal(err)
			}
			if kept, err := os.ReadFile(path + ".damaged" + []string{"", "-2"}[i]); err != nil || !slices.Equal(kept, data) {
				t.Errorf("%s is not kept: %v", name, err)
			}
		}
	}

	// What is no conversation of this program's is refused and left as it is.
	e := a.Model.Engine
	if err := s.SaveText(ctx, e, a.Tokens(), &how); err != nil {
		t.Fatal(err)
	}
	plain := open(t, "plain", engine.Options{})
	if _, err := s.Load(ctx, plain, &how, none); err == nil || !strings.Contains(err.Error(), "a text") {
		t.Errorf("a text: %v", err)
	}
	if tokens, why, err := s.LoadText(ctx, e, &how, none); err != nil || why != nil || !slices.Equal(tokens, a.Tokens()) {
		t.Errorf("a text: %v, %v, %v", tokens, why, err)
	}
	if _, err := (&Session{Path: t.TempDir()}).Load(ctx, a, &how, none); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: %v", err)
	}
	if why, err := (&Session{Path: filepath.Join(t.TempDir(), "none")}).Load(ctx, a, &how, none); why != nil || err != nil || len(a.Turns) != 1 {
		t.Errorf("no file: %v, %v", why, err)
	}
}

// TestNote: hostile notes are refused by what is wrong.
func TestNote(t *testing.T) {
	for data, says := range map[string]string{
		``: "note", `{}`: "session of", `{"kind":"a conversation","turns":3}`: "note", `[1]`: "note", `{"kind":"a conversation","x":1}`: "note",
	} {
		if n, err := readNote([]byte(data), kindChat); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v", data, n, err)
		}
	}
	for data, says := range map[string]string{`{"temperature":-1}`: "temperature", `{"top_k":0.5}`: "top_k", `{"top_p":1e99}`: "top_p"} {
		n, err := readNote([]byte(`{"kind":"a conversation","sampling":`+data+`}`), kindChat)
		if err != nil {
			t.Fatal(err)
		}
		how := settings()
		if err := n.settings(&how, func(string) bool { return false }); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", data, err)
		}
	}
	how := settings()
	if n, err := readNote([]byte(`{"kind":"a conversation","turns":[{"user":"x","answer":"y","tokens":-5},{"user":"x","answer":"y","tokens":99}]}`), kindChat); err != nil || n.settings(&how, func(string) bool { return true }) != nil {
		t.Error(err)
	} else {
		c := Conversation{Turns: n.Turns}
		if c.found([]int32{1, 2}); c.Tokens() != nil || c.Turns[0].Tokens != 0 {
			t.Errorf("%+v", c.Turns)
		}
	}
}

// FuzzSession: a file whose sum is right, and nothing else, is found, refused or kept
// aside; it never ends the program, and what is found can be gone on from.
func FuzzSession(f *testing.F) {
	ctx := context.Background()
	c := open(f, "chatml", engine.Options{Context: 128})
	how := settings()
	path := filepath.Join(f.TempDir(), "s")
	if err := (&Session{Path: path}).Save(ctx, c, &how); err != nil {
		f.Fatal(err)
	}
	empty, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	empty = empty[:len(empty)-sha256.Size]
	f.Add(empty)
	f.Add(bytes.Replace(empty, []byte(`"tokens":0`), []byte(`"tokens":2`), 1))
	f.Add(append(bytes.Replace(empty, []byte(`"tokens":0,"computed":0`), []byte(`"tokens":2,"computed":1`), 1), 1, 0, 0, 0, 9, 0, 0, 0))
	f.Add(bytes.Replace(empty, []byte(`"seed":7`), []byte(`"turns":[{"user":"a","answer":"b","tokens":1}],"seed":7`), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		sum := sha256.Sum256(data)
		if err := os.WriteFile(path, append(data[:len(data):len(data)], sum[:]...), 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(path)
		c := &Conversation{Model: c.Model, Now: c.Now}
		how := settings()
		why, err := (&Session{Path: path}).Load(ctx, c, &how, func(string) bool { return false })
		if err == nil && why == nil {
			if _, err := c.Prompt(ctx, "And?"); err != nil {
				t.Error(err)
			}
		}
	})
}
