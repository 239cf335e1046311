package kernel

import (
	"unsafe"

	"eclat/loader/quant"
)

// Scratch is what one goroutine writes while it computes.
type Scratch struct {
	need   Need
	row    []float32 // of the plain form: of a weight of floats
	acc    []float32 // chains of a product
	q      []float32 // of attention: queries
	page   []float32 // of attention: keys or values of a page as floats
	Scores []float32 // of attention: (heads, Span)
	Span   []float32 // of attention: (heads, dim), of a span
	Out    []float32 // of attention: (heads, dim), of all
	ints   quant.Ints
	tile   *tile
}

// Need is how much a Scratch has room for.
type Need struct {
	Cols  int // of a weight of floats
	Rows  int // of an input
	Heads int // that share keys
	DimK  int // of a head's keys
	DimV  int // of a head's values
	Turn  int // of a head's values that are a part of its keys
}

// Max is the need of both.
func (n Need) Max(o Need) Need {
	return Need{max(n.Cols, o.Cols), max(n.Rows, o.Rows), max(n.Heads, o.Heads), max(n.DimK, o.DimK), max(n.DimV, o.DimV), max(n.Turn, o.Turn)}
}

// lengths are those of row, acc, q, page, Scores, Span and Out.
func (n Need) lengths() [7]int {
	keys, values := (n.DimK+63)&^63, n.Heads*n.DimV
	return [7]int{
		n.Cols, upTo(n.Rows, 2) * tileRows * 8,
		n.Heads * keys, max(keys, n.DimV) * Page, n.Heads * Span, values, values,
	}
}

// upTo is n rounded up to a multiple of a power of two.
func upTo(n, of int) int { return (n + of - 1) &^ (of - 1) }

// line is how many floats a line of the cache holds. A vector that lies across two lines
// takes twice as long to read.
const line = 16

// aligned is mem from the first line of the cache that begins in it, at most line−1
// floats less.
func aligned(mem []float32) []float32 {
	p := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	return mem[-p%(4*line)/4:]
}

// tileLen is what a tile takes, in floats.
const tileLen = (int(unsafe.Sizeof(tile{})) + 3) / 4

// Len is how many floats Set needs.
func (n Need) Len() (all int) {
	all = line + upTo(tileLen, line)
	for _, l := range n.lengths() {
		all += upTo(l, line)
	}
	return all
}

// Set gives s room for n in mem, which has n.Len() floats.
func (s *Scratch) Set(n Need, mem []float32) {
	mem = aligned(mem)
	s.need, s.tile, mem = n, (*tile)(unsafe.Pointer(unsafe.SliceData(mem))), mem[upTo(tileLen, line):]
	for i, p := range []*[]float32{&s.row, &s.acc, &s.q, &s.page, &s.Scores, &s.Span, &s.Out} {
		l := n.lengths()[i]
		*p, mem = mem[:l:l], mem[upTo(l, line):]
	}
}
