//go:build cgo && !novulkan

package gpu

import (
	"encoding/json"
	"maps"
	"os"
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
	foreign := strings.ReplaceAll(string(good), `"Rows": `, `"Rows": 7`)
	for name, data := range map[string]string{
		"cut short": string(good[:len(good)/2]), "empty": "", "an index": `{"Q4_K 1×1 1": 2}`,
		"too long": string(good) + strings.Repeat(" ", mostChoices), "foreign": foreign, "null": "null",
	} {
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		if n, _, _ := compile(); n == 0 {
			t.Errorf("%s: nothing was measured", name)
		}
		if n, _, _ := compile(); n != 0 {
			t.Errorf("%s: the file was not written anew", name)
		}
	}
	// Folders in the place of files: nothing is kept, all works.
	for _, p := range []string{path, strings.Replace(path, "kernels", "pipelines", 1)} {
		os.Remove(p)
		if err := os.Mkdir(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if n, _, _ := compile(); n == 0 {
		t.Error("a folder was read")
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "*.part")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
