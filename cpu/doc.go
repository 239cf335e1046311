// Package cpu provides two backends in plain Go.
//
// NewRef is the oracle: one obvious loop for each op, no threads, sums in
// float64. Every other backend is judged against it, op by op and end to end, and
// it stays forever.
//
// New is the backend people use without a GPU: the same ops with rows shared out
// to a fixed pool of goroutines, and no allocation once a plan is compiled. Each
// output element is computed whole by one goroutine in a fixed order, so the
// answer has the same bits whatever the number of threads.
//
// Both read weights where the file is mapped; only caches and activations are
// memory of their own. A Backend runs one Program at a time: calls to Run of all
// its programs must not overlap. Load and Compile must not run beside Run.
package cpu
