package tokenizer_test

import (
	"fmt"
	"log"

	"eclat/loader"
	"eclat/model/tokenizer"
)

// Ids are the model's own; decoding them gives the text back.
func ExampleTokenizer_Encode() {
	file, err := loader.Open("../../testdata/sotu-8m-q4_k_m.gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	t, err := tokenizer.New(file)
	if err != nil {
		log.Fatal(err)
	}
	d := t.NewDecoder(false)
	text := ""
	for _, id := range t.Encode(nil, "The Congress of the United States", false) {
		text += d.Next(id)
	}
	fmt.Println(text + d.Flush())
	// Output: The Congress of the United States
}
