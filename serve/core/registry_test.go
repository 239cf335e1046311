package core

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"eclat/engine"
	"eclat/loader"
	"eclat/testdata"
)

// openBuiltIn opens the built-in model, whatever the path.
func openBuiltIn(ctx context.Context, name, path string, progress func(string, int64, int64)) (*Model, error) {
	f, err := loader.FromBytes(path, testdata.Model)
	if err != nil {
		return nil, err
	}
	e, err := engine.Open(ctx, f, engine.Options{Device: "cpu", Context: 64, Progress: progress})
	if err != nil {
		return nil, err
	}
	return NewModel(name, path, e, nil, nil)
}

// opened counts what is open, and fails for lack of memory where there are more than fit.
type opened struct {
	mu   sync.Mutex
	fit  int
	r    *Registry
	said []string
}

func (o *opened) open(ctx context.Context, name, path string, progress func(string, int64, int64)) (*Model, error) {
	if strings.Contains(path, "broken") {
		return nil, errors.New("the file is broken")
	}
	if o.fit > 0 && o.r.loaded() >= o.fit {
		return nil, engine.ErrMemory
	}
	return openBuiltIn(ctx, name, path, progress)
}

func (o *opened) notice(m string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.said = append(o.said, m)
}

func registry(t *testing.T, o *opened, most int, names ...string) *Registry {
	t.Helper()
	r := NewRegistry(RegistryOptions{Open: o.open, Most: most, Notice: o.notice})
	o.r = r
	t.Cleanup(func() { r.Close() })
	for _, n := range names {
		if err := r.Add(Found{Name: n, Path: n}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// use asks for a model and gives it back.
func use(t *testing.T, r *Registry, name string) {
	t.Helper()
	l, err := r.Acquire(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	if name != "" && l.Name != name {
		t.Errorf("asked for %q, got %q", name, l.Name)
	}
	l.Release()
	l.Release() // does nothing
}

func states(r *Registry) (s string) {
	for _, i := range r.List() {
		s += string(i.State) + " "
	}
	return strings.TrimSpace(s)
}

// TestUnload: where memory is short, or as many are loaded as may be, the least recently
// used one that is idle makes room; one in use never does.
func TestUnload(t *testing.T) {
	for name, o := range map[string]*opened{"by number": {}, "by memory": {fit: 2}} {
		t.Run(name, func(t *testing.T) {
			most := 0
			if o.fit == 0 {
				most = 2
			}
			r := registry(t, o, most, "a", "b", "c", "broken")
			use(t, r, "")
			use(t, r, "b")
			use(t, r, "a")
			if s := states(r); s != "loaded loaded unloaded unloaded" {
				t.Fatal(s)
			}
			use(t, r, "c")
			if s := states(r); s != "loaded unloaded loaded unloaded" {
				t.Fatal(s)
			}
			a, err := r.Acquire(context.Background(), "a")
			if err != nil {
				t.Fatal(err)
			}
			use(t, r, "b") // c goes, though a was used before it
			if s := states(r); s != "loaded loaded unloaded unloaded" {
				t.Error(s)
			}
			b, err := r.Acquire(context.Background(), "b")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Acquire(context.Background(), "c"); Of(err).Status != 503 || Of(err).RetryAfter == 0 {
				t.Errorf("all are in use: %v", err)
			}
			a.Release()
			b.Release()
			use(t, r, "c")
			if _, err := r.Acquire(context.Background(), "broken"); err == nil || !strings.Contains(err.Error(), "broken") && !strings.Contains(err.Error(), "memory") {
				t.Errorf("a broken file: %v", err)
			}
			if i, _ := r.Lookup("broken"); i.State != Failed {
				t.Errorf("a broken file is %s", i.State)
			}
		})
	}
}

// TestTogether: many ask for a model at once, which is loaded once; a client that leaves
// does not end the loading for others.
func TestTogether(t *testing.T) {
	o := &opened{}
	r := registry(t, o, 0, "a")
	gone, leave := context.WithCancel(context.Background())
	leave()
	if _, err := r.Acquire(gone, "a"); !errors.Is(err, context.Canceled) && err != nil {
		t.Error(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { use(t, r, "a") })
	}
	all.Wait()
	loads := 0
	for _, m := range o.said {
		if strings.HasPrefix(m, "loading") {
			loads++
		}
	}
	if loads != 1 {
		t.Errorf("loaded %d times: %q", loads, o.said)
	}
	if _, err := r.Acquire(context.Background(), "z"); Of(err).Status != 404 || Of(err).Code != "model_not_found" {
		t.Errorf("an unknown model: %v", err)
	}
	r.Close()
	if _, err := r.Acquire(context.Background(), "a"); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.gguf", "a.GGUF", "notes.txt", ".hidden.gguf", "big-00001-of-00002.gguf", "big-00002-of-00002.gguf", "sub/c.gguf", "sub/deeper/d.gguf"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := Find(dir)
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); err != nil || got != "a b big c" {
		t.Errorf("%q, %v", got, err)
	}
	if list, err := Find(filepath.Join(dir, "b.gguf")); err != nil || len(list) != 1 || list[0].Name != "b" || list[0].Bytes != 1 {
		t.Errorf("%v, %v", list, err)
	}
	empty := filepath.Join(dir, "sub", "deeper", "none")
	os.Mkdir(empty, 0o755)
	for _, bad := range []string{empty, filepath.Join(dir, "missing")} {
		if list, err := Find(bad); err == nil {
			t.Errorf("%s: %v", bad, list)
		}
	}
	r := NewRegistry(RegistryOptions{})
	if err := r.Add(Found{Name: "x", Path: "1"}, Found{Name: "x", Path: "2"}); err == nil {
		t.Error("two models of one name")
	}
}
