// Package gpu is the Vulkan backend: it loads weights into device memory, records
// a plan's dispatches once into command buffers, and replays them for every run.
//
// The parts, in the order data takes: Select chooses a device; Open makes a
// Backend on it; Load places weights and caches (weights.go, stream.go); Compile
// asks Kernels (kernels.go) for each step's dispatches, places barriers from what
// they read and write, and records (record.go); Run writes the inputs buffer
// (inputs.go, laid out in layout.go), submits and reads the result. Fit says how
// many layers of a model a device holds.
//
// Ownership: a Backend owns its device and everything on it; Close frees all in
// reverse order. Programs share the backend's weights and caches. As model.Backend
// says, one Run at a time over all programs of a backend; no other call may run
// beside it.
package gpu
