// Package ggufwrite writes small GGUF files for tests, and synthetic models for
// benchmarks.
//
// File describes a well-formed file and lays it out. Raw appends single fields
// and checks nothing, so that a test can write wrong counts, offsets out of the
// file, a key twice: File is written through it, and so are the headers of package
// quantize. Encode makes tensor bytes of
// the types that package quant decodes.
//
// A mistake in the description (a Go type that GGUF lacks, data of the wrong
// length) panics: it is the test that is wrong.
package ggufwrite
