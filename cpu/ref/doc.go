// Package ref is the oracle: one obvious loop for each op of package model, one
// thread, sums in float64. Every other backend is judged against it, op by op and
// end to end.
//
//	ops.go      the table of ops, and their loops
//	memory.go   what is kept from run to run, and its copying, saving, restoring
//	program.go  Compile, Run, Read
//	backend.go  Load, Info, Close
//	device.go   the device "ref"
//
// It shares no kernel, layout or helper with package cpu, so that a mistake in one
// does not hide in the other. Weights are read where the file is mapped. A Backend
// and its programs belong to one goroutine; Info alone may be called from others.
package ref
