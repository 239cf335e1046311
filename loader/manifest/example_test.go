package manifest_test

import (
	"encoding/json"
	"fmt"
	"log"

	"eclat/loader/manifest"
	"eclat/loader/quant"
)

// The manifest of a source of 64 bytes: a tensor of 32, and 32 that are the header.
func ExampleManifest_Encode() {
	header, weights := manifest.Sum{1}, manifest.Sum{2}
	tensors := []manifest.Tensor{{Name: "blk.0.attn_norm.weight", Specifics: manifest.Specifics{
		Shape: []int{8}, Type: quant.F32, RowBytes: 32, Size: 32, Offset: 32, Blob: weights}}}
	m := &manifest.Manifest{
		Source:       manifest.Source{Name: "m.gguf", Size: 64, Parts: []manifest.Part{{Size: 64, Header: header}}},
		Architecture: "llama",
		Config:       json.RawMessage("null"),
		Tensors:      tensors,
		Fragments:    manifest.FragmentsOf(tensors),
		Blobs: []manifest.Blob{
			{Sum: header, Size: 32, Chunks: []manifest.Sum{header}},
			{Sum: weights, Size: 32, Chunks: []manifest.Sum{weights}},
		},
	}
	text, err := m.Encode()
	if err != nil {
		log.Fatal(err)
	}
	read, err := manifest.Parse("m", text)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(read.ID == m.ID, read.Fragments)

	_, err = manifest.Parse("m", append(text, '\n'))
	fmt.Println(err)
	// Output:
	// true [{header []} {layer-0 [blk.0.attn_norm.weight]}]
	// m: manifest at byte 905: 1 bytes follow the end
}

func ExampleCutLayer() {
	fmt.Println(manifest.CutLayer("blk.3.attn_q.weight"))
	fmt.Println(manifest.CutLayer("output.weight"))
	// Output:
	// 3 attn_q.weight
	// -1 output.weight
}
