package gguf_test

import (
	"os"
	"path/filepath"
	"testing"

	"eclat/loader/ggufwrite"
	"eclat/loader/loadertest"
)

// craft is a malformed file under construction.
type craft struct {
	ggufwrite.Raw
	at int // where the error must point; -1: no single place
}

// fault marks the next field as the one at fault.
func (c *craft) fault() { c.at = c.Len() }

// hostile is a malformed file and the error that it must give.
type hostile struct {
	name   string
	build  func(c *craft)
	field  string // FormatError.Field
	reason string // part of FormatError.Reason
}

// bytes returns the file and the offset that its error must have.
func (h hostile) bytes() ([]byte, int) {
	c := &craft{at: -1}
	h.build(c)
	return c.Bytes(), c.at
}

// corpus is all malformed files that are one file.
func corpus() []hostile {
	var all []hostile
	for _, part := range [][]hostile{hostileHeaders(), hostileKeys(), hostileValues(), hostileTensors(), hostilePlaces(), hostileCuts(), hostileLarge()} {
		all = append(all, part...)
	}
	return all
}

// TestHostileFiles opens each malformed file from disk. The error must name the
// file, the field and the offset in one line; finding it may not cost much
// memory.
func TestHostileFiles(t *testing.T) {
	files := corpus()
	seen := map[string]bool{}
	for _, h := range files {
		if seen[h.name] {
			t.Fatalf("two files are called %q", h.name)
		}
		seen[h.name] = true
		t.Run(h.name, func(t *testing.T) {
			data, at := h.bytes()
			path := filepath.Join(t.TempDir(), "hostile.gguf")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			data = nil // so that only Open's memory counts
			loadertest.Refusal(t, path, path, h.field, at, h.reason)
		})
	}
	t.Logf("%d malformed files", len(files))
}
