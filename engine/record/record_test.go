package record

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type header struct{ Name string }

func write(t *testing.T, path string) {
	t.Helper()
	w, err := Create(path, "run", header{"x"}, 10)
	if err != nil {
		t.Fatal(err)
	}
	w.Floats([]float32{1, -2})
	w.Words([]uint16{7})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.run")
	write(t, path)
	var h header
	r, err := Open(path, "run", &h)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, w := make([]float32, 2), make([]uint16, 1)
	if err := r.Floats(f); err != nil || !slices.Equal(f, []float32{1, -2}) || h.Name != "x" {
		t.Errorf("%v, %v, %v", f, h, err)
	}
	if err := r.Words(w); err != nil || w[0] != 7 || r.Left() != 0 {
		t.Errorf("%v, %v, %d bytes left", w, err, r.Left())
	}
	if err := r.Words(w); err == nil {
		t.Error("read past the end")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.part")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestRefused: every cut and every changed byte is refused, with one line that
// names the file.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.run")
	write(t, path)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, b []byte) {
		t.Helper()
		bad := filepath.Join(dir, "bad.run")
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		var h header
		r, err := Open(bad, "run", &h)
		if err == nil {
			r.Close()
			t.Errorf("%s: accepted", what)
		} else if !strings.HasPrefix(err.Error(), bad+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q", what, err)
		}
	}
	for n := range good {
		refused("cut short", good[:n])
		b := slices.Clone(good)
		b[n] ^= 0x20
		refused("changed", b)
	}
	refused("longer", append(slices.Clone(good), 0))
	var h header
	if _, err := Open(path, "base", &h); err == nil || !strings.Contains(err.Error(), "not a saved base") {
		t.Errorf("another kind: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none"), "run", &h); !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestIncomplete: a record that lacks numbers never gets its name.
func TestIncomplete(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.run")
	w, err := Create(path, "run", header{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	w.Floats([]float32{1})
	if err := w.Close(); err == nil {
		t.Error("closed with numbers missing")
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

// TestHeaderOfOtherTypes: a field of the wrong kind is called by its name in the
// file; how this program keeps it is nobody's business.
func TestHeaderOfOtherTypes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.run")
	for _, env := range []string{
		`{"kind":7}`, `{"payload":"x"}`, `{"payload":1e300}`, `{"payload":1.5}`, `{"payload":[]}`, `{"payload":18446744073709551616}`, `[]`, `"x"`,
	} {
		raw := append([]byte(magic), version, 0, 0, 0, byte(len(env)), 0, 0, 0)
		if err := os.WriteFile(path, append(raw, env...), 0o600); err != nil {
			t.Fatal(err)
		}
		var h header
		_, err := Open(path, "run", &h)
		if err == nil || !strings.Contains(err.Error(), "its header is damaged: ") || strings.Contains(err.Error(), "Go ") || strings.Contains(err.Error(), "json") {
			t.Errorf("%s: %v", env, err)
		}
	}
}
