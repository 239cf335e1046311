package cpu

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"eclat/loader"
	"eclat/model"
	"eclat/model/arch"
	"eclat/testdata"
)

// TestCutShort: a file that is cut short while it is mapped ends a run with an error.
func TestCutShort(t *testing.T) {
	for _, d := range both() {
		path := filepath.Join(t.TempDir(), "m.gguf")
		if err := os.WriteFile(path, testdata.Model, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := loader.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		m, err := arch.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		st := m.Whole()
		st.Sample = true
		p, err := m.Plan(st, model.Room{Pages: 8, Seqs: 2, Chunk: 32})
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.Open(context.Background(), model.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if err := b.Load(context.Background(), f, p); err != nil {
			t.Fatal(err)
		}
		prog, err := b.Compile(p, model.CompileOptions{Size: model.Size{Tokens: 32, Want: 2}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 4096); err != nil {
			t.Fatal(err)
		}
		if err := prog.Run(context.Background(), prompt(), new(model.Outputs)); !errors.Is(err, loader.ErrFault) {
			t.Errorf("%s: %v", d.Info().ID, err)
		}
	}
}
