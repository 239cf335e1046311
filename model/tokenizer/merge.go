package tokenizer

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"sync"
)

// A symbol is what merging works on. Ids below Size are tokens; from Size on
// follow strings that are parts of tokens but not in the vocabulary (extras).
// A negative symbol stands for a character that is part of no token: ^i, where
// i is its offset in bytes in the text being merged.

// noRank marks a pair that does not merge.
const noRank = math.MaxInt32

// pairTable maps a pair of symbols to the symbol they merge into and to the
// rank of the merge, lower first. It is a flat hash table with linear probing;
// the random seed keeps a file from choosing its collisions.
type pairTable struct {
	entries []pairEntry // a power of two, at most two thirds used
	shift   int
	seed    uint64
}

type pairEntry struct {
	key  uint64 // left<<32 | right, or noKey
	rank int32
	to   int32
}

const noKey = math.MaxUint64

// newPairTable returns a table for up to n pairs.
func newPairTable(n int) pairTable {
	size := max(16, 1<<bits.Len(uint(n+n/2)))
	t := pairTable{entries: make([]pairEntry, size), shift: 64 - bits.TrailingZeros(uint(size)), seed: rand.Uint64()}
	for i := range t.entries {
		t.entries[i].key = noKey
	}
	return t
}

func (t *pairTable) slot(key uint64) *pairEntry {
	h := (key ^ t.seed) * 0x9E3779B97F4A7C15
	h = (h ^ h>>32) * 0xD6E8FEB86659FD93
	for i := int(h >> t.shift); ; i++ {
		e := &t.entries[i&(len(t.entries)-1)]
		if e.key == key || e.key == noKey {
			return e
		}
	}
}

// add stores a pair; of equal pairs the first counts. The caller keeps to the n
// of newPairTable.
func (t *pairTable) add(left, right, to, rank int32) {
	key := uint64(left)<<32 | uint64(right)
	if e := t.slot(key); e.key == noKey {
		*e = pairEntry{key, rank, to}
	}
}

// find returns rank noRank for a pair that does not merge.
func (t *pairTable) find(left, right int32) (rank, to int32) {
	if left < 0 || right < 0 {
		return noRank, 0
	}
	if e := t.slot(uint64(left)<<32 | uint64(right)); e.key != noKey {
		return e.rank, e.to
	}
	return noRank, 0
}

// scratch is the working memory of one Encode call.
type scratch struct {
	syms     []int32 // in: the symbols of a word; out: the merged ones
	rank, to []int32 // short words: of the pair (i, i+1)
	prev     []int32 // long words: the list of symbols still alive
	next     []int32
	heap     []candidate
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// longWord is the number of symbols from which a heap beats looking at every
// pair again after each merge.
const longWord = 48

// merge replaces adjacent symbols in s.syms by what they merge into, lowest
// rank first and of equal ranks the leftmost, until no pair merges.
func (t *pairTable) merge(s *scratch) {
	switch n := len(s.syms); {
	case n < 2:
	case n < longWord:
		t.mergeShort(s)
	default:
		t.mergeLong(s)
	}
}

func (t *pairTable) mergeShort(s *scratch) {
	syms, rank, to := s.syms, s.rank[:0], s.to[:0]
	for i := range len(syms) - 1 {
		r, id := t.find(syms[i], syms[i+1])
		rank, to = append(rank, r), append(to, id)
	}
	s.rank, s.to = rank, to
	for len(rank) > 0 {
		best := 0
		for i, r := range rank {
			if r < rank[best] {
				best = i
			}
		}
		if rank[best] == noRank {
			break
		}
		syms[best] = to[best]
		syms = append(syms[:best+1], syms[best+2:]...)
		rank = append(rank[:best], rank[best+1:]...)
		to = append(to[:best], to[best+1:]...)
		if best > 0 {
			rank[best-1], to[best-1] = t.find(syms[best-1], syms[best])
		}
		if best < len(rank) {
			rank[best], to[best] = t.find(syms[best], syms[best+1])
		}
	}
	s.syms = syms
}

// candidate is a pair that may merge. It is out of date when the symbol at left
// or its neighbour has changed since.
type candidate struct {
	rank, left int32 // position of the left symbol
	l, r, to   int32 // symbols
}

func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.left < d.left
}

// dead marks a position whose symbol was merged into the one on its left. It is
// no symbol: ^i stays above it, a text being shorter than 2 GiB.
const dead = math.MinInt32

func (t *pairTable) mergeLong(s *scratch) {
	n := len(s.syms)
	syms, prev, next, heap := s.syms, s.prev[:0], s.next[:0], s.heap[:0]
	for i := range n {
		prev, next = append(prev, int32(i-1)), append(next, int32(i+1))
	}
	for i := range n - 1 {
		if rank, to := t.find(syms[i], syms[i+1]); rank != noRank {
			heap = append(heap, candidate{rank, int32(i), syms[i], syms[i+1], to})
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		siftDown(heap, i)
	}
	push := func(left, right int32) {
		if rank, to := t.find(syms[left], syms[right]); rank != noRank {
			heap = append(heap, candidate{rank, left, syms[left], syms[right], to})
			siftUp(heap)
		}
	}
	for len(heap) > 0 {
		c := heap[0]
		last := len(heap) - 1
		heap[0] = heap[last]
		heap = heap[:last]
		siftDown(heap, 0)

		right := next[c.left]
		if syms[c.left] != c.l || int(right) >= n || syms[right] != c.r {
			continue
		}
		syms[c.left], syms[right] = c.to, dead
		after := next[right]
		next[c.left] = after
		if before := prev[c.left]; before >= 0 {
			push(before, c.left)
		}
		if int(after) < n {
			prev[after] = c.left
			push(c.left, after)
		}
	}
	out := syms[:0]
	for _, id := range syms {
		if id != dead {
			out = append(out, id)
		}
	}
	s.syms, s.prev, s.next, s.heap = out, prev, next, heap
}

func siftUp(h []candidate) {
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(h[parent]) {
			return
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

func siftDown(h []candidate, i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
