// Package lower turns the steps of a plan into dispatches of kernels. It makes no
// call of Vulkan: what it knows of a device is a Device, plain data, so that a plan
// can be lowered, sized up and looked at where there is none.
//
//	kernels.go           the table of ops, and which variants of kernels work
//	rows, matmul, experts, attention, conv, sample.go   the dispatches of each op
//	fuse.go              steps that become part of others
//	pack.go              how weights lie on the device
//	tune.go              shapes of kernels chosen by measuring
//	layout.go            the inputs buffer and what a dispatch is made of
//	lower.go, arena.go   a whole plan: its dispatches and the memory they need
//
// A Kernels belongs to one goroutine. A plan is only read.
package lower
