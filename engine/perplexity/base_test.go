package perplexity

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"eclat/engine/record"
)

// TestHostileBase: a header whose products overflow to what the file holds is
// refused, whatever its checksum says.
func TestHostileBase(t *testing.T) {
	for _, h := range []Header{
		{Vocab: 4, Window: 4, Windows: 1 << 62}, // 4 · 2^62 tokens are 0, and 16 · 2^62 bytes
		{Vocab: 4, Window: 1 << 62, Windows: 4},
		{Vocab: 4, Window: 4, Windows: math.MaxInt64},
		{Vocab: 4, Window: math.MaxInt64, Windows: 1},
		{Vocab: 1 << 24, Window: 1 << 32, Windows: 1 << 32},
		{Vocab: math.MaxInt64, Window: 4, Windows: 1},
		{Vocab: 4, Window: 4, Windows: -1},
		{Vocab: 4, Window: 4, Windows: 0},
		{Vocab: 4, Window: 4, Windows: 1, Text: make([]int32, 4)}, // no rows
	} {
		path := filepath.Join(t.TempDir(), "a.base")
		w, err := record.Create(path, kind, h, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := OpenBase(path)
		if err == nil {
			b.Close()
			t.Errorf("%d windows of %d tokens: opened", h.Windows, h.Window)
		} else if !strings.Contains(err.Error(), "not sound") || strings.Contains(err.Error(), "\n") {
			t.Error(err)
		}
	}
}
