package loader_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"eclat/loader"
	"eclat/loader/ggufwrite"
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
// file, the field and the offset in one line; finding it may not cost much memory.
// BenchmarkHostileFiles says what it costs in time.
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
			checkRefusal(t, path, path, h.field, at, h.reason)
		})
	}
	t.Logf("%d malformed files", len(files))
}

// BenchmarkHostileFiles refuses each malformed file.
func BenchmarkHostileFiles(b *testing.B) {
	for _, h := range corpus() {
		b.Run(h.name, func(b *testing.B) {
			data, _ := h.bytes()
			path := filepath.Join(b.TempDir(), "hostile.gguf")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if f, err := loader.Open(path); err == nil {
					f.Close()
					b.Fatal("the file opened")
				}
			}
		})
	}
}

const (
	maxOpenBytes = 64 << 20 // allocated during Open
	maxErrorLen  = 8 << 10  // bytes of the message: a key of 1024 unprintable bytes, escaped, fits
)

// checkRefusal opens path and checks the error, which must be about the file named.
func checkRefusal(t *testing.T, path, named, field string, at int, reason string) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := loader.Open(path)
	runtime.ReadMemStats(&after)
	if err == nil {
		f.Close()
		t.Fatal("the file opened")
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > maxOpenBytes {
		t.Errorf("Open allocated %d bytes", n)
	}
	var fe *loader.FormatError
	if !errors.As(err, &fe) {
		t.Fatalf("a %T instead of a FormatError: %v", err, err)
	}
	if fe.Path != named {
		t.Errorf("the error is about file %s, want %s", fe.Path, named)
	}
	if fe.Field != field {
		t.Errorf("the error is about field %q, want %q", fe.Field, field)
	}
	if fe.Offset != int64(at) {
		t.Errorf("the error points at byte %d, want %d", fe.Offset, at)
	}
	if !strings.Contains(fe.Reason, reason) {
		t.Errorf("the reason %q does not say %q", fe.Reason, reason)
	}
	checkMessage(t, err.Error(), named, field)
	if t.Failed() {
		t.Logf("error: %v", err)
	}
}

// checkMessage: one printable line of bounded length with the file and the field.
func checkMessage(t *testing.T, msg, file, field string) {
	t.Helper()
	if !utf8.ValidString(msg) || strings.ContainsFunc(msg, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("the message is not one printable line: %q", msg)
	}
	if !strings.HasPrefix(msg, file+": "+field) {
		t.Errorf("the message does not begin with file and field: %q", msg)
	}
	if len(msg) > maxErrorLen {
		t.Errorf("the message has %d bytes", len(msg))
	}
}
