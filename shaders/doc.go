// Package shaders holds the compute kernels: GLSL sources, the table of variants
// compiled from them, and the SPIR-V, which is committed and embedded so that
// building and running need no shader compiler.
//
// A file of op/ is one kernel; its head says what it computes. The others are
// included: type/ has one a weight type, lib/ what several kernels share. A new type is
// a file of type/, its line in lib/weights.glsl and in Types; a new kernel is a file of
// op/ and its line in Table.
//
// Specialization constant 0 is always the workgroup's size and, in kernels that reduce,
// constant 1 its number of subgroups. Descriptor set 0 has the storage buffers first,
// the inputs buffer at binding 0, the output after it, and then the texel buffers. The
// output is bound to no memory that the kernel reads, unless it says so. What changes
// from run to run is in the inputs; where in them it lies is a push constant, as are a
// memory's block tables (lib/common.glsl, memory_row), which differ from pool to pool.
//
// After a change run make drivers, which fetches the one compiler of all shaders, and
// go generate ./shaders: it compiles all variants and writes spv/ with manifest.json,
// which records the compiler and a hash of each variant's sources and binary. A test
// compares the hashes, so an edited source with an old binary does not pass.
//
// The package's tables are read-only after start-up and safe for any goroutine.
package shaders

//go:generate go run ./gen
