package keep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"eclat/engine"
	"eclat/loader"
	"eclat/model/arch/archtest"
	"eclat/model/sample"
)

// told are the notices of a folder.
type told struct {
	mu  sync.Mutex
	all []string
}

func (n *told) notice(m string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, m)
}

func (n *told) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.all, "\n")
}

func folder(t *testing.T, dir string, bytes int64) (*Folder, *told) {
	t.Helper()
	n := new(told)
	f, err := OpenFolder(dir, bytes, n.notice)
	if err != nil {
		t.Fatal(err)
	}
	return f, n
}

func open(t *testing.T, path string, o engine.Options) *engine.Engine {
	t.Helper()
	file, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	o.Device = "cpu"
	e, err := engine.Open(context.Background(), file, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func keep(t *testing.T, f *Folder, e *engine.Engine, template string) *Keeper {
	t.Helper()
	k, err := f.Keep(context.Background(), e, template)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

const builtIn = "../../testdata/sotu-8m-q4_k_m.gguf"

// conversation asks three times, each time with all before it, and returns the ids of the
// answers, what was found of the last prompt, and the sum of its logits.
func conversation(t *testing.T, e *engine.Engine, caller string, turns int) (ids []int32, st engine.Stats) {
	t.Helper()
	vocab := int32(e.Model.Config.NVocab)
	var text []int32
	for turn := range int32(turns) {
		for i := range int32(45) {
			text = append(text, (300+37*i+1000*turn)%vocab)
		}
		r := engine.Request{Tokens: slices.Clone(text), Caller: caller, Share: -1, MaxTokens: 12, IgnoreEOS: true, Proof: true,
			Settings: sample.Settings{Params: sample.Params{Temp: 0.9, Seed: 5}}}
		var err error
		st, err = e.Generate(context.Background(), r, nil, func(id int32) { ids, text = append(ids, id), append(text, id) })
		if err != nil {
			t.Fatal(err)
		}
	}
	return ids, st
}

// TestRestart: what was computed before a restart is found after it, by its caller alone,
// and the answer has the ids and the sum that it has warm, and cold. Models with recurrent
// layers too.
func TestRestart(t *testing.T) {
	paths := []string{builtIn, "../../testdata/experts-small.gguf"}
	for _, family := range archtest.Hybrids {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("%s.gguf", family))
		if err := archtest.Hybrid(family, 1).WriteFile(path); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	dir := t.TempDir() // one for all models
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			coldIDs, cold := conversation(t, open(t, path, engine.Options{}), "a", 3)
			first := open(t, path, engine.Options{})
			f, _ := folder(t, dir, 0)
			k := keep(t, f, first, "template")
			conversation(t, first, "a", 3)
			warmIDs, warm := conversation(t, first, "a", 3)
			k.Close()
			k.Close() // does nothing
			second := open(t, path, engine.Options{})
			f, n := folder(t, dir, 0)
			keep(t, f, second, "template")
			ids, st := conversation(t, second, "a", 3)
			if !slices.Equal(ids, coldIDs) || !slices.Equal(ids, warmIDs) || st.Proof != cold.Proof || st.Proof != warm.Proof {
				t.Errorf("after the restart %v %s, warm %v %s, cold %v %s", ids, st.Proof, warmIDs, warm.Proof, coldIDs, cold.Proof)
			}
			if st.CachedTokens != warm.CachedTokens || st.CachedTokens < 100 {
				t.Errorf("%d tokens were found, warm %d", st.CachedTokens, warm.CachedTokens)
			}
			if !strings.Contains(n.String(), "pages of prompts were found") || strings.Count(n.String(), "\n") > 0 {
				t.Errorf("told %s", n)
			}
			t.Logf("%d tokens of %d found, sum %s", st.CachedTokens, st.PromptTokens, st.Proof)
			third := open(t, path, engine.Options{})
			f, n = folder(t, dir, 0)
			keep(t, f, third, "another template")
			if _, st := conversation(t, third, "a", 1); st.CachedTokens > 0 {
				t.Errorf("with another template %d tokens were found", st.CachedTokens)
			}
			if !strings.Contains(n.String(), "another template") || !strings.Contains(n.String(), ".page") {
				t.Errorf("told %s", n)
			}
			fourth := open(t, path, engine.Options{})
			f, _ = folder(t, dir, 0)
			keep(t, f, fourth, "template")
			if _, st := conversation(t, fourth, "b", 1); st.CachedTokens > 0 {
				t.Errorf("another caller found %d tokens", st.CachedTokens)
			}
		})
	}
}

// kept makes a folder of a conversation of the built-in model.
func kept(t *testing.T, dir string) (files []string) {
	t.Helper()
	e := open(t, builtIn, engine.Options{Context: 512})
	f, _ := folder(t, dir, 0)
	k := keep(t, f, e, "x")
	conversation(t, e, "a", 2)
	k.Close()
	files, err := filepath.Glob(filepath.Join(dir, "*.page"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%q, %v", files, err)
	}
	return files
}

// TestDamaged: a file that was cut, changed or renamed is refused by its name, and removed;
// the answer is computed anew, and the same.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	files := kept(t, dir)
	want, _ := conversation(t, open(t, builtIn, engine.Options{Context: 512}), "a", 2)
	e := open(t, builtIn, engine.Options{Context: 512})
	kind, err := e.CacheKind(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	template := templateSum("x")
	for range 3000 {
		data := bytes.Clone(whole)
		switch r.IntN(4) {
		case 0:
			data = data[:r.IntN(len(data))]
		case 1:
			data = append(data, 0)
		case 2:
			data[r.IntN(1200)] ^= 1 << r.IntN(8)
		default:
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
		}
		if _, err := parse(data, pagePart(filepath.Base(files[0])), kind, template); !refused(err) {
			t.Fatalf("a damaged page: %v", err)
		}
	}
	for what, harm := range map[string]func(path string) string{
		"cut":     func(path string) string { os.Truncate(path, 5000); return path },
		"empty":   func(path string) string { os.Truncate(path, 0); return path },
		"changed": func(path string) string { edit(t, path, func(b []byte) { b[len(b)/2] ^= 1 }); return path },
		"renamed": func(path string) string {
			to := path[:len(path)-9] + "0000.page"
			os.Rename(path, to)
			return to
		},
		"another model's": func(path string) string {
			to := filepath.Join(dir, strings.Replace(filepath.Base(path), filepath.Base(path)[:12], "0123456789ab", 1))
			os.Rename(path, to)
			return to
		},
	} {
		t.Run(what, func(t *testing.T) {
			for _, path := range kept(t, dir) {
				path = harm(path)
				f, n := folder(t, dir, 0)
				e := open(t, builtIn, engine.Options{Context: 512})
				k := keep(t, f, e, "x")
				if got, _ := conversation(t, e, "a", 2); !slices.Equal(got, want) {
					t.Errorf("%v, want %v", got, want)
				}
				k.Close() // writes what was computed anew
				if !strings.Contains(n.String(), filepath.Base(path)) {
					t.Errorf("%s is not named: %s", path, n)
				}
				if strings.Contains(what, "renamed") || strings.Contains(what, "another") {
					if _, err := os.Stat(path); err == nil {
						t.Errorf("%s is still there", path)
					}
				}
			}
		})
	}
}

func edit(t *testing.T, path string, change func(b []byte)) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change(b)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBounds: a folder holds no more than it may, whatever is asked, and what it holds are
// whole texts; what the engine uses most is among them.
func TestBounds(t *testing.T) {
	dir := t.TempDir()
	one, err := os.Stat(kept(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, builtIn, engine.Options{Context: 2048})
	most := 20 * one.Size()
	f, _ := folder(t, dir, most)
	k := keep(t, f, e, "x")
	for i := range 30 {
		conversation(t, e, fmt.Sprint(i), 2)
		conversation(t, e, "often", 2)
		for {
			some, err := k.next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if !some {
				break
			}
		}
		if n := size(t, dir); n > most {
			t.Fatalf("%d bytes, more than %d", n, most)
		}
	}
	k.Close()
	for name, one := range f.files {
		if one.before != "" && f.files[one.before] == nil {
			t.Errorf("the page before %s is gone", name)
		}
	}
	again := open(t, builtIn, engine.Options{Context: 2048})
	f, n := folder(t, dir, most)
	keep(t, f, again, "x")
	if _, st := conversation(t, again, "often", 2); st.CachedTokens < 64 {
		t.Errorf("what is asked most often was not kept: %+v %s", st, n)
	}
	f.room(most / 2) // is made before a page is written
	if n := size(t, dir); n == 0 || n > most/2 {
		t.Errorf("%d bytes, with room for %d more where %d are allowed", n, most/2, most)
	}
	f.room(-most / 2)
	small := open(t, builtIn, engine.Options{Context: 64}) // memory for two pages
	f, n = folder(t, dir, most)
	keep(t, f, small, "x")
	if c, _ := small.Counters(context.Background()); c.Units == 0 || strings.Contains(n.String(), "not used") {
		t.Errorf("%+v: %s", c, n)
	}
}

func size(t *testing.T, dir string) (n int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			n += info.Size()
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has the permissions %v", e.Name(), info.Mode())
			}
		}
	}
	return n
}

// TestLeft: what another program, or one that was killed, has left in the folder.
func TestLeft(t *testing.T) {
	dir := t.TempDir()
	files := kept(t, dir)
	notes, part := filepath.Join(dir, "notes.txt"), files[0]+".0123abcd.part"
	for _, path := range []string{notes, part} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder(t, dir, 0)
	if _, err := os.Stat(part); err != nil {
		t.Error("what may be being written was removed")
	}
	old := time.Now().Add(-time.Hour)
	os.Chtimes(part, old, old)
	_, n := folder(t, dir, 1)
	if _, err := os.Stat(part); !errors.Is(err, os.ErrNotExist) {
		t.Error("half a file is still there")
	}
	if _, err := os.Stat(notes); err != nil {
		t.Error("a file that is no page was removed")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.page")); len(left) > 0 || n.String() != "" {
		t.Errorf("%q are more than a byte; told %s", left, n)
	}
	if _, err := OpenFolder(notes, 0, n.notice); err == nil {
		t.Error("a file is taken for a folder")
	}
}

// FuzzPage: whatever a file holds, it is a page or refused.
func FuzzPage(f *testing.F) {
	k := engine.CacheKind{Model: "m", Numbers: 1, Keys: "f16", Values: "f16", Units: []engine.CacheUnit{{Kind: "position", Bytes: 8}, {Kind: "sequence", Bytes: 4}}}
	path := filepath.Join(f.TempDir(), "p")
	for _, units := range [][][]byte{{make([]byte, 8), make([]byte, 4)}, {make([]byte, 8), nil}, {nil, nil}} {
		parts, _, err := pageOf(k, "t", &engine.KeptPage{Caller: "c", Tokens: []int32{1, 2, 3}, Units: units})
		if err == nil {
			err = write(path, parts)
		}
		if err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parse(data, "n", k, "t")
		if err != nil && !refused(err) {
			t.Error(err)
		}
		if err == nil && (len(p.Units) != 2 || len(p.Units[0]) != 0 && len(p.Units[0]) != 8 || len(p.Units[1]) != 0 && len(p.Units[1]) != 4) {
			t.Errorf("%+v", p)
		}
	})
}
