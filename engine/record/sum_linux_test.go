package record

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// TestWeightsSumFault: a file that is cut short while its weights are summed is an
// error and not the end of the process.
func TestWeightsSumFault(t *testing.T) {
	f := &ggufwrite.File{Tensors: []ggufwrite.Tensor{{Name: "a", Type: quant.I8, Dims: []int{1 << 20}, Data: make([]byte, 1<<20)}}}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := f.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if sum, err := WeightsSum(m, nil); !errors.Is(err, loader.ErrFault) || sum != "" {
		t.Errorf("%q, %v", sum, err)
	}
}
