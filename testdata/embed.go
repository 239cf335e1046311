// Package testdata holds the small files that tests and the binary itself use.
package testdata

import _ "embed"

// Model is the model used when none is named: see README.md here.
//
//go:embed sotu-8m-q4_k_m.gguf
var Model []byte

// ModelName stands for it where a file name would stand.
const ModelName = "sotu-8m-q4_k_m.gguf (built in)"
