// Package loader reads GGUF model files: metadata, tensor shapes and the
// quantised blocks themselves. The same File comes out of a fragments folder, into
// which package fragment cuts such files: a manifest (package manifest) and a blob
// for each tensor. Package gguf parses headers, package quant knows the types.
//
// A file is mapped into memory and never copied: a Tensor is a byte range of
// the mapping with a type and a shape. Shapes are always in elements, innermost
// dimension first as GGUF stores them; a row's size in bytes is a separate,
// named quantity (Tensor.RowBytes).
//
// Everything in a file is hostile until checked. Counts are compared with the
// bytes that remain before anything is allocated, and every refusal is a
// *FormatError: one line with the file, the field and the offset.
//
// Ownership: a File owns its mappings. Slices from Tensor.Data and Value point
// into them and die with Close; strings are copies and live on. A File is
// read-only after Open, so any number of goroutines may use it at once; of a
// folder Map adds mappings, under a lock.
//
// A file that another program cuts short while it is mapped has pages that are not
// there any more. Whoever reads Tensor.Data or a Value does so within Guard, which
// makes an error of it; without, the process ends.
package loader
