// Package apart makes one device of two: the experts of a model's first layers are
// computed on the second, all else on the first. It is a model.Device like any other, so
// a chain of stages, a probe and the memory's pages know nothing of it.
//
// A plan is cut as model.Plan.CutExperts says. A program runs the pieces in turn; the
// rows between them go through main memory. The memory of sequences is the first
// device's, which has all attention.
//
// A backend belongs to one goroutine, as all do; its two devices never work at the same
// time.
package apart
