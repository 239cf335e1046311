package model

import (
	"fmt"
	"strings"

	"eclat/loader/quant"
)

// PageLen is the number of positions in one page of memory.
const PageLen = 32

// Per says what one row of memory belongs to, and so how long it is kept.
type Per uint8

const (
	Position Per = iota // a row a position, in pages, as long as the sequence lives
	Window              // the same, but only of the last positions: pages further back are given back
	Sequence            // one slot of fixed size a sequence: recurrent state, overwritten as it goes
)

func (p Per) String() string { return [...]string{"position", "window", "sequence"}[p] }

// Memory is what a step keeps from run to run, for each sequence: keys and values,
// or a recurrent state.
type Memory struct {
	Name   string
	Per    Per
	Type   quant.Type // F16 or F32; of pages also Q8_0 or Q4_0
	Cols   int        // elements of a row: of one position, or of a sequence's whole state
	Window int        // of Per Window: positions that a token sees, its own included
}

// CacheType is how keys or values are kept.
type CacheType uint8

const (
	CacheF16 CacheType = iota
	CacheF32
	CacheQ8_0 // blocks of 32 elements of a row: a byte each and a half
	CacheQ4_0 // half a byte each and a half

	numCacheTypes
)

// Type is the type of memory of it.
func (c CacheType) Type() quant.Type {
	return [...]quant.Type{quant.F16, quant.F32, quant.Q8_0, quant.Q4_0}[c]
}

func (c CacheType) String() string { return strings.ToLower(c.Type().String()) }

// CacheTypes lists the names of all.
func CacheTypes() (names []string) {
	for c := range numCacheTypes {
		names = append(names, c.String())
	}
	return names
}

// ParseCacheType returns the type of a name.
func ParseCacheType(name string) (CacheType, error) {
	for c := range numCacheTypes {
		if c.String() == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("%.20q is none of %s", name, strings.Join(CacheTypes(), ", "))
}

// CacheTypeError says that heads do not divide into the blocks of a type.
type CacheTypeError struct {
	What string // "keys" or "values"
	Type CacheType
	Name string // of the memory
	Dim  int    // elements of a head
}

func (e *CacheTypeError) Error() string {
	return fmt.Sprintf("%s cannot be kept as %s, in blocks of 32 elements: a head of %s has %d", e.What, e.Type, e.Name, e.Dim)
}

// A page of memory of integers lies on a device, and is saved, as
//
//	integers   (PageLen, Cols)      of Q8_0 a byte each; of Q4_0 two to a byte, the even element
//	                                low, each 8 more than it is
//	scales     (PageLen, Cols/32)   halves, little endian
//
// which is as long as PageLen rows of the type in a file.

// InBlocks reports whether a type of memory is of integers in blocks.
func InBlocks(t quant.Type) bool { return t == quant.Q8_0 || t == quant.Q4_0 }

// CanKeep says why memory of a plan cannot be of its type, if so.
func (p *Plan) CanKeep(t *Tensor) error {
	switch {
	case t.Type == quant.F16, t.Type == quant.F32:
		return nil
	case InBlocks(t.Type) && p.Pools[t.Pool].Per != Sequence && t.Cols%32 == 0:
		return nil
	}
	return Unsupported(fmt.Errorf("memory %s of %d elements of type %s", t.Name, t.Cols, t.Type))
}

// Pool is what memories that come and go together take their units from: a unit is
// a page of PageLen positions, or a slot. Taking unit u of a pool takes it of all its
// memories, so a sequence has one block table a pool and not one a layer.
type Pool struct {
	Per    Per
	Window int // of Per Window
	Units  int // pages or slots
}

// Room is how much memory the pools of a plan get.
type Room struct {
	Pages int // of a pool that keeps all positions, over all sequences
	Seqs  int // most sequences at a time: slots, of which there are two more, and windows
	Chunk int // most tokens of one sequence in a batch

	Keys, Values CacheType // how they are kept
}

// units returns how many units a pool needs. A window of w positions with a chunk
// of c before it lies on at most ⌈(w+c−1)/PageLen⌉ + 1 pages.
func (r Room) units(per Per, window int) int {
	switch per {
	case Sequence:
		return max(1, r.Seqs) + 2 // so that a single sequence too can leave a snapshot, and keep another while a guess runs
	case Window:
		return min(r.Pages, max(1, r.Seqs)*(Pages(window+max(1, r.Chunk)-1)+1))
	}
	return r.Pages
}

// Pages is the number of pages that hold n positions.
func Pages(n int) int { return (n + PageLen - 1) / PageLen }

// RowsOf returns how many rows of a pool's memories one unit is.
func (p Pool) RowsOf() int {
	if p.Per == Sequence {
		return 1
	}
	return PageLen
}

// FirstSeen is the first position that a token at position pos sees in the pool.
func (p Pool) FirstSeen(pos int) int {
	if p.Per == Window {
		return max(0, pos-p.Window+1)
	}
	return 0
}

// UnitBytes is what one unit of a pool takes over all memories of the plan, in bytes.
func (p *Plan) UnitBytes(pool int) (n int64) {
	for i := range p.Tensors {
		if t := &p.Tensors[i]; t.Kind == Kept && t.Pool == pool {
			size, _ := t.Type.RowBytes(uint64(t.Cols))
			n += int64(p.Pools[pool].RowsOf()) * int64(size)
		}
	}
	return n
}

// MemoryBytes is what all pools of the plan take, in bytes.
func (p *Plan) MemoryBytes() (n int64) {
	for i, pool := range p.Pools {
		n += p.UnitBytes(i) * int64(pool.Units)
	}
	return n
}
