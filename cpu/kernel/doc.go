// Package kernel computes the long loops of package cpu by the definition of package
// model/numerics, in up to four forms that give the same bits:
//
//	plain    Go, on every processor; the form the others are tested against
//	avx2     x86-64 with AVX2, where the program was built with GOEXPERIMENT=simd
//	avx512   x86-64 with AVX-512 (F, BW, DQ, VL), built likewise
//	vnni     avx512 with AVX-512 VNNI, which multiplies and adds in one instruction: for
//	         two rows of activations and more. archsimd has no name for it, so this one loop
//	         is assembly, dots_amd64.s; tilevnni.go says what it computes
//
//	form.go     Form, Forms, Pick
//	input.go    Input: rows of activations, rounded once for all that multiply them
//	scratch.go  Scratch: what one goroutine writes while it computes
//	plain*.go   the plain form
//	vector*.go  what the vector forms share: rounding, unpacking, tiles, rows of unpacked
//	            blocks (vector_block.go: types without rows of their own), norms, SwiGLU
//	row*.go, tile*.go, attention*.go   512 and 256 bits: one row of activations, many, attention
//	fill512.go  blocks of weights as rows of a tile
//
// Between its vectors a kernel does without floats of one element: the compiler gives those
// instructions from before AVX, and an Intel Xeon of 2023 takes some 70 ns to go from
// vectors to one and back (rounding a row of 5120 took 49 µs with them, 2.0 without). A look
// into a map is such a thing too: a type's size, asked for between two rows, made short rows
// of Q8_0 ten times as slow.
//
// A form is a table of functions without state. Inputs and scratch belong to whoever
// made them: an Input is written by Round, one row a call, and then read by any number
// of goroutines; a Scratch belongs to one goroutine at a time.
package kernel
