package fragment_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// A model is cut into a folder, checked there, and put together again.
func Example() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var g ggufwrite.File
	for i := range 2 {
		g.Add(fmt.Sprintf("blk.%d.ffn_up.weight", i), quant.F32, []int{8}, []float32{1, 2, 3, 4, 5, 6, 7, float32(i)})
	}
	path, folder, again := filepath.Join(dir, "m.gguf"), filepath.Join(dir, "cut"), filepath.Join(dir, "again.gguf")
	if err := g.WriteFile(path); err != nil {
		log.Fatal(err)
	}
	f, err := loader.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	ctx := context.Background()
	written, err := fragment.Write(ctx, f, folder, fragment.Options{})
	if err != nil {
		log.Fatal(err)
	}
	report, err := fragment.Verify(ctx, folder, nil, fragment.Options{})
	if err != nil {
		log.Fatal(err)
	}
	made, err := fragment.Assemble(ctx, folder, again, fragment.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(written.Blobs, "blobs,", len(report.Problems), "problems,", made.Size == f.Size)
	// Output: 3 blobs, 0 problems, true
}
