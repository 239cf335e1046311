package stagetime_test

import (
	"context"
	"path/filepath"
	"testing"

	"eclat/cpu"
	"eclat/model"
	"eclat/model/arch/archtest"
	"eclat/model/backendtest"
	"eclat/model/stagetime"
)

// TestToken: stages of models of all makings can be timed, layers and heads; how long they
// take is not looked at.
func TestToken(t *testing.T) {
	paths := []string{"../../testdata/sotu-8m-q4_k_m.gguf", "../../testdata/experts-small.gguf"}
	for _, family := range archtest.Hybrids {
		path := filepath.Join(t.TempDir(), "hybrid.gguf")
		if err := archtest.Hybrid(family, 1).WriteFile(path); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	for _, path := range paths {
		m := backendtest.Open(t, path)
		n := m.Config.NLayer
		for _, st := range []model.Stage{{First: 0, End: 1}, {First: 1, End: n}, {First: n, End: n, Head: true}} {
			d, err := stagetime.Token(context.Background(), cpu.Devices(1)[0], model.OpenOptions{}, m, st)
			if err != nil || d <= 0 || stagetime.Bytes(m, st) <= 0 {
				t.Errorf("%s: %+v: %v, %v, %d bytes", path, st, d, err, stagetime.Bytes(m, st))
			}
		}
	}
}
