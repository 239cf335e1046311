package kernel

import (
	"unsafe"

	"eclat/loader/quant"
)

// wide is how many elements the eight chains take in turn: one block of each. Rows are
// filled up to a multiple of it with blocks of zeros, whose terms are +0.
const wide = 256

// order is how the integers of a row lie, for the weights that will meet them.
type order uint8

const (
	natural   order = iota // as they come; for types without an order of their own
	floats                 // no integers: elements m·2^e
	k4                     // for Q4_K and Q5_K, few rows
	k6                     // for Q6_K, few rows
	spread                 // many rows, for a tile: (blocks, N, 1)
	twoBlocks              // spread, two blocks of a row side by side: (blocks/2, N, 2)
	twoRows                // spread, blocks of two rows side by side: (blocks, N/2, 2)
)

// few is the most that Form.few says.
const few = 4

// manyRows is how many rows the kernels of tiles take together at most.
const manyRows = 8

// Input is N rows of activations of Cols elements, as a product needs them.
type Input struct {
	Cols, N int
	To      []int32 // (N) the rows of a product's dst that the rows give; nil where they are the same
	blocks  int     // of wide elements, of a row
	order   order
	padded  int       // blocks that lie from one row to the next: kernels may take four at a time
	m       []int16   // (N, padded, wide), or as spread says, with wide for each block
	f       []float32 // (N, padded, wide); the same memory
	e       []float32 // (N, padded, 32), or as spread says, with 16 for each block: what terms need of the exponents
}

// blockFloats is what wide elements of one row take.
const blockFloats = wide + 32

// blocksOf is how many times wide elements a row of cols elements has.
func blocksOf(cols int) int { return (cols + wide - 1) / wide }

// InputLen is how many floats an input of n rows of cols elements takes.
func InputLen(cols, n int) int { return line + (n*blocksOf(cols)+3*min(n, few))*blockFloats }

// InputsLen is how many floats several inputs take that have n rows of cols elements in
// all, each one or more.
func InputsLen(cols, n, inputs int) int {
	inputs = min(inputs, n)
	return inputs*line + (n*blocksOf(cols)+3*min(n, few*inputs))*blockFloats
}

// to is the row of a product's dst that row i gives.
func (in *Input) to(i int) int {
	if in.To == nil {
		return i
	}
	return int(in.To[i])
}

// Set makes in an input of n rows of cols elements for products with weights of type t,
// in mem, which has InputLen or more. What Round does not write is whatever was there.
func (f *Form) Set(in *Input, mem []float32, t quant.Type, cols, n int) {
	b := blocksOf(cols)
	*in = Input{Cols: cols, N: n, blocks: b, order: f.orderOf(t, n), padded: b}
	if n <= few && in.order < spread {
		in.padded = (b + 3) &^ 3
	}
	all := n * in.padded
	mem = aligned(mem)
	in.f, in.e = mem[:all*wide], mem[all*wide:][:all*32]
	if all == 0 {
		return
	}
	in.m = unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(in.f))), 2*len(in.f))
}

// place is where block b of row i lies, in the orders of a tile: the number of the first of
// those that lie side by side, which of them it is, and how many they are.
func (in *Input) place(i, b int) (first, beside, side int) {
	switch in.order {
	case twoBlocks:
		return (b/2*in.N + i) * 2, b % 2, 2
	case twoRows:
		return b*upTo(in.N, 2) + i&^1, i & 1, 2
	}
	return b*in.N + i, 0, 1
}

// Suits reports whether in serves weights of type t as well.
func (f *Form) Suits(in *Input, t quant.Type) bool { return in.order == f.orderOf(t, in.N) }

// few is how many rows of activations meet the rows of a weight of type t one by one; more
// meet tiles, which take longer to unpack and less for each row.
func (f *Form) few(t quant.Type) int {
	if f.many != twoRows {
		return few
	}
	switch t {
	case quant.Q8_0:
		return 2
	case quant.Q4_0, quant.IQ4_NL: // which natural512 multiplies from the registers
		return 3
	}
	return 1
}

func (f *Form) orderOf(t quant.Type, n int) order {
	switch {
	case !t.Integers():
		return floats
	case f == &plain:
		return natural
	case t.Halves() && t.Mins():
		return natural // a tile has two factors for 32 weights
	case n > f.few(t):
		return f.many
	case t == quant.Q4_K || t == quant.Q5_K:
		return k4
	case t == quant.Q6_K:
		return k6
	}
	return natural
}
