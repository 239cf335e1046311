package loader_test

import (
	"path/filepath"
	"slices"
	"testing"

	"eclat/loader"
)

// TestSharedModels opens the models that lie beside the repository, if there are
// any. Their writers leave no gaps: each tensor begins where the one before ends,
// rounded up to the alignment, and the last one ends the file.
func TestSharedModels(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "shared", "models", "*.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Skip("no models in ../../shared/models; this test needs real files")
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := loader.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if len(f.Tensors) == 0 || len(f.Keys) == 0 {
				t.Fatalf("%d tensors, %d keys", len(f.Tensors), len(f.Keys))
			}
			alignment := int64(32)
			if v, ok := f.Get("general.alignment"); ok {
				u, _ := v.Uint()
				alignment = int64(u)
			}
			up := func(n int64) int64 { return (n + alignment - 1) / alignment * alignment }
			ts := slices.Clone(f.Tensors)
			slices.SortFunc(ts, func(a, b *loader.Tensor) int { return int(a.Offset - b.Offset) })
			for i, x := range ts {
				if !x.Type.CanDecode() {
					t.Errorf("%s: type %s cannot be decoded", x.Name, x.Type)
				}
				if i == 0 {
					continue
				}
				if last := ts[i-1]; x.Offset != up(last.Offset+last.Size) {
					t.Errorf("%s begins at byte %d; %s ends at %d", x.Name, x.Offset, last.Name, last.Offset+last.Size)
				}
			}
			if last := ts[len(ts)-1]; up(last.Offset+last.Size) != up(f.Size) {
				t.Errorf("%s ends at byte %d, the file at %d", last.Name, last.Offset+last.Size, f.Size)
			}
		})
	}
}
