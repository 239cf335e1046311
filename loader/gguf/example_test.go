package gguf_test

import (
	"fmt"
	"log"

	"eclat/loader/gguf"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

func ExampleParse() {
	var f ggufwrite.File
	f.Set("general.architecture", "llama")
	f.Set("tokenizer.ggml.tokens", []string{"<s>", "a", "b"})
	f.Add("output.weight", quant.Q8_0, []int{64, 3}, make([]float32, 192))
	data := f.Bytes()
	h, err := gguf.Parse("model.gguf", data, int64(len(data)))
	if err != nil {
		log.Fatal(err)
	}
	tokens, _ := h.Meta["tokenizer.ggml.tokens"].Strings()
	t := &h.Tensors[0]
	fmt.Println(h.Version, tokens, t.Name, t.Type, t.Dims, t.Rows(), t.RowBytes)

	_, err = gguf.Parse("model.gguf", data[:100], 100)
	fmt.Println(err)
	// Output:
	// 3 [<s> a b] output.weight Q8_0 [64 3] 3 68
	// model.gguf: tokenizer.ggml.tokens at byte 98: the file ends here: at least 2 bytes are missing from the header
}
