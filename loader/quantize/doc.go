// Package quantize writes a model anew with its weights as other types.
//
//	mix.go    which type each tensor gets: a mix's rules are llama.cpp's
//	plan.go   the files that will be, before a byte is written
//	write.go  the work: rows in parallel, a few megabytes at a time
//
// A Plan belongs to one goroutine, and the File it was made from outlives it. Write
// starts goroutines and ends them before it returns. Files get their names when all
// of them are complete; after an error none is there.
package quantize
