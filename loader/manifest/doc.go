// Package manifest reads and writes manifests: of which pieces a model consists,
// by which fragment, blob and chunk each byte of it can be fetched and checked. See
// Manifest for the format, which has one way to write each thing, so that the
// sha256 of a manifest is its id.
//
// Parse accepts nothing but that one way and checks all that can be checked
// without the blobs: a manifest that it returns can be opened without another look
// at a size. Every refusal is a *gguf.FormatError. Memory stays below a small
// multiple of the text.
//
// A Manifest that Parse or Encode has gone over is not written to again, so any
// number of goroutines may read it at once.
package manifest
