// Package gguf reads the header of a GGUF file: metadata, and the type, shape and
// place of every tensor.
//
// Parse walks the bytes once and checks all of them. Everything in a file is
// hostile until checked: counts are compared with the bytes that remain before
// anything is allocated, and every refusal is a *FormatError, one line with the
// file, the field and the offset.
//
// A Value keeps pointing into the bytes that Parse was given and decodes them on
// demand; strings are copies. A Header is not written to after Parse, so any
// number of goroutines may use it at once, as long as the bytes stay readable.
//
// The format: github.com/ggml-org/ggml, docs/gguf.md.
package gguf
