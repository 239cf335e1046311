// Package gpu is the Vulkan backend: it loads weights into device memory, records
// a plan's dispatches once into command buffers, and replays them for every run.
//
//	device.go            Devices: who they are and what they can do
//	fit.go               how much of a model a device holds
//	backend.go, place.go, upload.go   Load: weights and memory in a few large buffers
//	compile.go, pipelines.go, record.go, hazards.go, tune.go   Compile
//	workspace.go         the activations that all programs of a backend share
//	inputs.go, run.go, profile.go     Run: inputs written, submits, the answer
//	pages.go             units of memory copied, saved and restored
//
// Package lower decides which kernels a plan becomes and calls no Vulkan; package vk
// is the layer over Vulkan and knows no plan.
//
// Ownership: a Backend owns its device and everything on it; Close frees all in
// reverse order. Programs share the backend's weights, memory and, but for those
// with Trace, activations: as model.Backend says, one goroutine owns a backend with
// its programs, one Run at a time, and an answer stands until the next run. Info
// alone may be called beside all else.
package gpu
