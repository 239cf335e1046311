package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/quant"
)

// TestQuantize: a model becomes smaller, every tensor is accounted for, and what was
// written runs.
func TestQuantize(t *testing.T) {
	in := filepath.Join("..", "..", "testdata", "qwen3-small.gguf")
	path := filepath.Join(t.TempDir(), "out.gguf")
	dry := ok(t, "", "quantize", in, path, "Q4_0", "--dry-run")
	if _, err := os.Stat(path); err == nil {
		t.Error("--dry-run wrote")
	}
	full := ok(t, "", "quantize", in, path, "Q4_0", "--tensor-type", `blk\.0\.ffn_up=Q8_0`)
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, x := range f.Tensors {
		if !strings.Contains(dry, x.Name) || !strings.Contains(full, x.Name) {
			t.Errorf("%s is not in the list", x.Name)
		}
	}
	if x := f.Tensor("blk.0.ffn_up.weight"); x == nil || x.Type != quant.Q8_0 {
		t.Errorf("blk.0.ffn_up.weight is %v", x)
	}
	if !strings.Contains(full, " %") || strings.Contains(dry, " %") {
		t.Errorf("errors: %s\n%s", full, dry)
	}
	ok(t, "", "run", path, "-p", "a", "-n", "2", "--device", "cpu")
}
