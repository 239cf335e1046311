//go:build cgo && !novulkan

package gpu

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"eclat/gpu/lower"
	"eclat/model"
)

// TestCacheNotWritten: a folder that cannot be made is no failure of the device; it
// is told once.
func TestCacheNotWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var told []string
	b := openTest(t, options{OpenOptions: model.OpenOptions{CacheDir: filepath.Join(file, "eclat"), Warn: func(m string) { told = append(told, m) }}})
	r := newRunner(t, builtIn, b, 64)
	r.program(1, 1, false)
	if err := b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if len(told) != 1 || !strings.Contains(told[0], "not kept") {
		t.Errorf("told %q", told)
	}
}

// hostileFile is something else in the place of a cache file.
type hostileFile struct {
	name  string
	plant func(path string) error
	stays bool // nothing can be written in its place
}

// hostileFiles are those that no cache may stumble over. good is what a file holds.
func hostileFiles(t *testing.T, good string) (all []hostileFile) {
	beside := filepath.Join(t.TempDir(), "beside")
	holds := func(name, data string) {
		all = append(all, hostileFile{name, func(path string) error { return os.WriteFile(path, []byte(data), 0o644) }, false})
	}
	holds("cut short", good[:len(good)/2])
	holds("null", "null")
	holds("too long", good+strings.Repeat(" ", mostChoices))
	holds("deep", strings.Repeat(`{"For":`, mostChoices/8))
	link := func(name, to string) {
		all = append(all, hostileFile{name, func(path string) error { return os.Symlink(to, path) }, false})
	}
	if err := os.WriteFile(beside, []byte("somebody's"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if data, _ := os.ReadFile(beside); string(data) != "somebody's" {
			t.Error("what a link leads to was written")
		}
	})
	link("a link to another file", beside)
	link("a link to a folder", filepath.Dir(beside))
	if mkfifo, err := exec.LookPath("mkfifo"); err == nil {
		all = append(all, hostileFile{"a FIFO", func(path string) error { return exec.Command(mkfifo, path).Run() }, false})
	}
	return append(all, hostileFile{"a folder", func(path string) error { return os.Mkdir(path, 0o755) }, true})
}

// testCacheFile holds what is done, which counts what it did, against all hostile files
// at path: all of it is done again, once.
func testCacheFile(t *testing.T, path string, files []hostileFile, all int, done func() int) {
	t.Helper()
	for _, f := range files {
		os.RemoveAll(path)
		if err := f.plant(path); err != nil {
			t.Fatal(f.name, err)
		}
		if n := done(); n != all {
			t.Errorf("%s: %d of %d were done", f.name, n, all)
		}
		if n := done(); (n == 0) == f.stays {
			t.Errorf("%s: %d were done the second time", f.name, n)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.part")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestChoicesFile: measured shapes are kept by what they are. A file that is
// damaged, foreign, too long or no file at all is left aside and written anew; a
// shape that this program would not try is measured again.
func TestChoicesFile(t *testing.T) {
	long(t)
	folder := t.TempDir()
	compile := func() (measured int, c lower.Choices, path string) {
		b := openTest(t, options{tune: tuneAlways, OpenOptions: model.OpenOptions{CacheDir: folder, Fault: func(_, subject string) error {
			if subject == "tuning" {
				measured++
			}
			return nil
		}}})
		defer b.Close()
		r := newRunner(t, builtIn, b, 64)
		r.program(1, 1, false)
		return measured, b.kernels.Choices(), b.choicesPath()
	}
	first, want, path := compile()
	good, err := os.ReadFile(path)
	if first == 0 || err != nil {
		t.Fatalf("%d measurements, %v", first, err)
	}
	var kept lower.Choices
	if err := json.Unmarshal(good, &kept); err != nil || !maps.Equal(kept, want) {
		t.Errorf("the file has %v, %v; chosen were %v", kept, err, want)
	}
	if n, c, _ := compile(); n != 0 || !maps.Equal(c, want) {
		t.Errorf("%d measurements with the file there", n)
	}
	others := func(name, data string) hostileFile {
		return hostileFile{name, func(path string) error { return os.WriteFile(path, []byte(data), 0o644) }, false}
	}
	foreign := strings.ReplaceAll(string(good), `"Rows": `, `"Rows": 7`)
	files := append(hostileFiles(t, string(good)), others("an index", `{"Q4_K 1×1 1": 2}`), others("foreign", foreign))
	// How often a shape is measured depends on how long it takes.
	testCacheFile(t, path, files, 1, func() int { n, _, _ := compile(); return min(n, 1) })
	// A folder in the place of pipelines too: nothing is kept, all works.
	p := strings.Replace(path, "kernels", "pipelines", 1)
	os.RemoveAll(path)
	os.Remove(p)
	if err := os.Mkdir(p, 0o755); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := compile(); n == 0 {
		t.Error("nothing was measured beside a folder")
	}
}
