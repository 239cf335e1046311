package ggufwrite_test

import (
	"fmt"

	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// A whole file, and one whose count of tensors is wrong.
func Example() {
	var f ggufwrite.File
	f.Set("general.architecture", "llama")
	f.Add("output.weight", quant.Q4_0, []int{32, 2}, make([]float32, 64))
	fmt.Printf("%.4s, %d bytes\n", f.Bytes(), len(f.Bytes()))

	var r ggufwrite.Raw
	r.Header(3, 1<<40, 0) // version, tensors, keys
	fmt.Printf("%.4s, %d bytes\n", r.Bytes(), r.Len())
	// Output:
	// GGUF, 192 bytes
	// GGUF, 24 bytes
}
