// Package model turns a loaded file into something a backend can run.
//
// Open reads the configuration from the metadata and checks it against the true
// shapes of the tensors. An architecture (one file, arch_NAME.go) then writes a
// Plan through a Builder: a list of steps over named tensors, plain data. A
// Backend compiles a plan once and runs it for every token; what changes from
// token to token (ids, positions, block tables) is Inputs, never a new plan. The
// architecture never sees a device and a backend never sees an architecture.
//
// Key–value memory is paged: a cache tensor is a pool of pages of PageLen
// positions, and a sequence owns a block table, the list of its pages.
//
// A Model and a Plan are read-only once made, so any number of goroutines may
// use them. The tokenizer is in package tokenizer below this one.
package model
