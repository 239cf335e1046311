// Package model is what everything else agrees on: what a model computes, for whom,
// and on what.
//
//	plan.go, ops.go, builder*.go   what a stage computes: data, written once
//	memory.go                      what is kept from run to run
//	batch.go                       what changes from run to run, and its check
//	device.go                      who computes it: devices, backends, programs
//	model.go, config.go            a checked model and its stages
//
// Package arch reads a file's configuration and gives a Model, which writes a Plan
// for a stage: a list of steps over named tensors, plain data. A Backend loads a
// stage's weights, compiles its plan for the batch sizes that occur, and runs batches.
// An architecture never sees a device and a backend never sees an architecture.
//
// A Model and a Plan are read-only once made, so any number of goroutines may use
// them. Below: arch (families), sample (tokens from logits), tokenizer, conformance
// (the suite that holds every backend to the reference).
package model
