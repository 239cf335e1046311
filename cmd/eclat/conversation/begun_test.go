package conversation

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eclat/engine"
)

// TestBegun: what was written of an answer on its way is found after the program's end, by
// the conversation that it follows, and by no other.
func TestBegun(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "s")
	keep := func(string) bool { return false }
	c := open(t, "chatml", engine.Options{})
	if err := c.SetSystem("Be brief."); err != nil {
		t.Fatal(err)
	}
	how := settings()
	how.Seed, how.TopK = 9, 3
	s := &Session{Path: path}
	begin := func(user string, ids ...int32) {
		t.Helper()
		b, err := s.Begin(c, user, &how)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			b.Add(id)
		}
		b.Close()
		b.Add(99) // nowhere
	}
	load := func() *Conversation {
		t.Helper()
		again := &Conversation{Model: c.Model, Now: c.Now}
		got := settings()
		if _, err := (&Session{Path: path}).Load(ctx, again, &got, keep); err != nil {
			t.Fatal(err)
		}
		if again.Begun != nil && (got.Seed != 9 || got.TopK != 3 || again.System() != "Be brief.") {
			t.Errorf("found with seed %d, top-k %d, system message %q", got.Seed, got.TopK, again.System())
		}
		return again
	}

	begin("first\n[/INST]\x1b", 5, 0, 70000)
	if b := load().Begun; b == nil || b.User != "first\n[/INST]\x1b" || !slices.Equal(b.IDs, []int32{5, 0, 70000}) {
		t.Errorf("before any turn: %+v", b)
	}
	say(t, c, how, "first")
	if err := s.Save(ctx, c, &how); err != nil {
		t.Fatal(err)
	}
	if b := load().Begun; b != nil {
		t.Errorf("after its end: %+v", b)
	}
	begin("second")
	if again := load(); again.Begun == nil || again.Begun.User != "second" || len(again.Begun.IDs) != 0 || len(again.Turns) != 1 {
		t.Errorf("before the first token: %+v", again)
	}
	begin("third", 1, 2, 3)
	torn, err := os.ReadFile(path + ".begun")
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"nothing":         {},
		"no line":         []byte(`{"kind":`),
		"no head":         []byte("[]\n1\n"),
		"another kind":    bytes.Replace(torn, []byte(kindBegun), []byte(kindChat), 1),
		"unknown field":   bytes.Replace(torn, []byte(`"user"`), []byte(`"owner"`), 1),
		"another turn":    bytes.Replace(torn, []byte(`"after":"`), []byte(`"after":"0`), 1),
		"impossible":      bytes.Replace(torn, []byte(`"top_k":3`), []byte(`"top_k":3.5`), 1),
		"a head too long": append([]byte(`{"kind":"`), bytes.Repeat([]byte("x"), mostBegun)...),
	} {
		if err := os.WriteFile(path+".begun", file, 0o600); err != nil {
			t.Fatal(err)
		}
		if b := load().Begun; b != nil {
			t.Errorf("%s: %+v", name, b)
		}
	}
	for name, c := range map[string]struct {
		tail string
		ids  []int32
	}{
		"torn":      {"4\n5", []int32{1, 2, 3, 4}},
		"no number": {"x\n5\n", []int32{1, 2, 3}},
		"too large": {"99999999999\n5\n", []int32{1, 2, 3}},
		"long line": {strings.Repeat("1", 1<<17), []int32{1, 2, 3}},
	} {
		if err := os.WriteFile(path+".begun", append(slices.Clone(torn), c.tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		if b := load().Begun; b == nil || !slices.Equal(b.IDs, c.ids) {
			t.Errorf("%s: %+v", name, b)
		}
	}
	if _, b := readBegun(bytes.NewReader(append(slices.Clone(torn), "4\n5\n6\n"...)), 4); len(b.IDs) != 4 {
		t.Errorf("%d tokens in a context of 4", len(b.IDs))
	}
	if err := os.Remove(path + ".begun"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".begun", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Session{Path: path}).Load(ctx, c, &how, keep); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: %v", err)
	}
}

// FuzzBegun: no file of an answer on its way is more than ignored.
func FuzzBegun(f *testing.F) {
	f.Add([]byte(`{"kind":"` + kindBegun + `","seed":1,"user":"x","after":""}` + "\n1\n2\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		head, b := readBegun(bytes.NewReader(data), 8)
		if (head == nil) != (b == nil) || b != nil && len(b.IDs) > 8 {
			t.Errorf("%+v, %+v", head, b)
		}
	})
}
