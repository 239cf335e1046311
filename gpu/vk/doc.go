// Package vk is a thin layer over Vulkan compute: devices, buffers, pipelines,
// descriptor sets and recorded command buffers, and no more than package gpu needs.
//
// The loader library is opened when a program first asks for devices, so a program
// built here starts on machines without Vulkan and gets ErrNoVulkan. Queries and
// memory go through github.com/vulkan-go/vulkan; calls that take lists of
// structures, and everything newer than its headers, go through a small C file of
// ours (shim.c), because that package may free such lists while the call reads
// them. Without cgo, or with the build tag novulkan, the same functions exist and
// return ErrNoVulkan.
//
// Every object has a Close, and a Device closes what is left of its own objects in
// reverse order. A Device and what belongs to it are for one goroutine at a time, but
// for NewPipeline, which several may call, and Start, which locks the queue. Nothing
// is freed by finalizers.
package vk
