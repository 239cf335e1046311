//go:build cgo && !novulkan && unix

package gpu

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
)

// TestCutShort: a file that is cut short while its weights are uploaded is one clear
// error, on the goroutines that share the copying too.
func TestCutShort(t *testing.T) {
	var f ggufwrite.File
	const rows, cols = 4096, 2048 // 32 MiB: several goroutines a chunk
	f.Add("w", quant.F32, []int{cols, rows}, make([]float32, rows*cols))
	path := filepath.Join(t.TempDir(), "cut.gguf")
	if err := os.WriteFile(path, f.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	mb := model.NewBuilder(file, room(1))
	plan, err := mb.Plan(mb.MatMul("y", mb.Weight("w", rows, cols), mb.Receive("x", cols)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	for _, unmapped := range []bool{false, true} {
		b := openTest(t, options{})
		b.unmapped = unmapped
		err := b.Load(t.Context(), file, plan)
		if !errors.Is(err, loader.ErrFault) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("unmapped %v: %v", unmapped, err)
		}
		if n := b.Info().Held; n != 0 {
			t.Errorf("unmapped %v: %d bytes are held", unmapped, n)
		}
	}
}
