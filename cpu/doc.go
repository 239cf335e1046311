// Package cpu is the backend that people use without a GPU: each op's parts are shared
// out to a fixed pool of goroutines, and a compiled program allocates nothing. The long
// loops are package kernel's, by the vectors that the processor has.
//
//	kernels.go, attention.go   the table of ops, and what one goroutine does of each
//	program.go                 Compile, Run, Read
//	backend.go                 Load, Info, Close
//	memory.go                  what is kept from run to run, and its copying
//	pool.go                    the goroutines
//	device.go                  the device "cpu"
//
// Each output element is computed whole by one goroutine in a fixed order, so the
// answer has the same bits whatever the number of threads. Matrices are read where
// the file is mapped; memory, activations and small vectors are memory of its own.
//
// A Backend and its programs belong to one goroutine; Info alone may be called from
// others. Below: kernel, the loops; ref, the definition as plain loops, which shares none
// of them; host, what both know of the machine, and goldentest, which tests both.
package cpu
