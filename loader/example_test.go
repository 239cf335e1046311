package loader_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// write makes a small model file for the examples.
func write() (path string) {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	var f ggufwrite.File
	f.Set("general.architecture", "llama")
	f.Add("blk.0.attn_q.weight", quant.Q4_K, []int{512, 2}, make([]float32, 1024))
	path = filepath.Join(dir, "model.gguf")
	if err := f.WriteFile(path); err != nil {
		log.Fatal(err)
	}
	return path
}

// A row of 512 elements in Q4_K is two blocks of 144 bytes.
func ExampleOpen() {
	path := write()
	defer os.RemoveAll(filepath.Dir(path))
	f, err := loader.Open(path)
	if err != nil {
		log.Fatal(err) // one line: file, field, offset, reason
	}
	defer f.Close()
	t := f.Tensor("blk.0.attn_q.weight")
	fmt.Println(f.Architecture(), t.Type, t.Dims, t.RowBytes, t.Size)
	// Output: llama Q4_K [512 2] 288 576
}

// Whoever reads mapped bytes does so within Guard.
func ExampleGuard() {
	path := write()
	defer os.RemoveAll(filepath.Dir(path))
	f, err := loader.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	t := f.Tensor("blk.0.attn_q.weight")
	row := make([]float32, t.Dims[0])
	err = loader.Guard(func() error {
		quant.Decode(t.Type, row, t.Data[:t.RowBytes])
		return nil
	})
	fmt.Println(row[0], err) // with an error that wraps ErrFault if the file was cut short
	// Output: 0 <nil>
}
