package grammar

import (
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"eclat/model/grammar/pda"
)

const (
	maxTokens     = 1 << 24
	maxTokenBytes = 1 << 12
	maxSlices     = 256 // lengths of plain text with a mask of their own
)

// Vocabulary is the tokens' bytes, arranged for masks.
type Vocabulary struct {
	tokens [][]byte
	ends   []int32
	all    *trie
	rest   *trie // the tokens that are not plain text
	plain  []slice

	mu   sync.Mutex
	cuts map[pda.Classes]*cut // those that grammars have asked for, at most maxCuts
}

// text is text of some classes, of at most so many bytes; of no class, it is nothing.
type text struct {
	classes pda.Classes
	bytes   int32
}

// cut is the tokens that are text of some classes.
type cut struct {
	ids   []int32 // the shortest first
	ends  []int32 // by length: how many of them are no longer
	masks []atomic.Pointer[[]uint64]
}

// maxCuts is how many are kept, of some 300 kB for 100,000 tokens, and 16 kB a mask.
const maxCuts = 16

// cut arranges the tokens of some classes; it is done once.
func (v *Vocabulary) cut(k pda.Classes) *cut {
	v.mu.Lock()
	defer v.mu.Unlock()
	if c := v.cuts[k]; c != nil {
		return c
	}
	var byLength [][]int32
	for i, n := range v.all.nodes[:len(v.all.nodes)-1] {
		if v.all.text[i]&^k != 0 {
			continue
		}
		for len(byLength) <= int(n.depth) {
			byLength = append(byLength, nil)
		}
		byLength[n.depth] = append(byLength[n.depth], v.all.ids[n.ids:v.all.nodes[i+1].ids]...)
	}
	c := &cut{masks: make([]atomic.Pointer[[]uint64], max(1, len(byLength)))}
	whole := make([]uint64, v.Words())
	for _, ids := range byLength {
		for _, id := range ids {
			whole[id/64] |= 1 << (id % 64)
		}
		c.ids = append(c.ids, ids...)
		c.ends = append(c.ends, int32(len(c.ids)))
	}
	c.masks[len(c.masks)-1].Store(&whole)
	if len(v.cuts) == maxCuts {
		clear(v.cuts)
	}
	if v.cuts == nil {
		v.cuts = map[pda.Classes]*cut{}
	}
	v.cuts[k] = c
	return c
}

// upTo returns the mask of the tokens of at most so many bytes.
func (c *cut) upTo(bytes int32) []uint64 {
	last := int32(len(c.masks) - 1)
	n := min(bytes, last)
	if known := c.masks[n].Load(); known != nil {
		return *known
	}
	mask := slices.Clone(*c.masks[last].Load())
	for _, id := range c.ids[c.ends[n]:] {
		mask[id/64] &^= 1 << (id % 64)
	}
	c.masks[n].Store(&mask)
	return mask
}

// slice is the tokens of plain text, of at most chars characters each, as a mask.
type slice struct {
	chars int32
	bits  []uint64
}

// NewVocabulary arranges tokens, whose index is their id, and the ids of the tokens that
// end a text. The bytes are kept, not copied. An empty token is never allowed; the bytes of
// an end token do not matter. It takes some 70 bytes and a few microseconds a token, so it
// is made once a model.
func NewVocabulary(tokens [][]byte, ends []int32) (*Vocabulary, error) {
	if len(tokens) > maxTokens {
		return nil, fmt.Errorf("vocabulary: %d tokens; at most %d", len(tokens), maxTokens)
	}
	v := &Vocabulary{tokens: tokens, ends: slices.Clone(ends)}
	for _, id := range ends {
		if id < 0 || int(id) >= len(tokens) {
			return nil, fmt.Errorf("vocabulary: end token %d of %d", id, len(tokens))
		}
	}
	var all, rest []int32
	byChars := map[int][]int32{}
	for i, s := range tokens {
		id := int32(i)
		if len(s) > maxTokenBytes {
			return nil, fmt.Errorf("vocabulary: token %d has %d bytes; at most %d", id, len(s), maxTokenBytes)
		}
		if len(s) == 0 || slices.Contains(ends, id) {
			continue
		}
		all = append(all, id)
		if n := plainChars(s); n > 0 {
			byChars[n] = append(byChars[n], id)
		} else {
			rest = append(rest, id)
		}
	}
	lengths := make([]int, 0, len(byChars))
	for n := range byChars {
		lengths = append(lengths, n)
	}
	slices.Sort(lengths)
	mask := make([]uint64, v.Words())
	for i, n := range lengths {
		if i >= maxSlices { // tried one by one, like what is not plain
			rest = append(rest, byChars[n]...)
			continue
		}
		for _, id := range byChars[n] {
			mask[id/64] |= 1 << (id % 64)
		}
		v.plain = append(v.plain, slice{int32(n), slices.Clone(mask)})
	}
	v.all, v.rest = newTrie(tokens, all), newTrie(tokens, rest)
	return v, nil
}

// Len is the number of tokens.
func (v *Vocabulary) Len() int { return len(v.tokens) }

// Words is the length of a mask: one bit a token, 64 a word.
func (v *Vocabulary) Words() int { return (len(v.tokens) + 63) / 64 }

// plainUpTo returns the index of the slice of the plain tokens of at most chars characters,
// −1 for none.
func (v *Vocabulary) plainUpTo(chars int32) int {
	n, ok := slices.BinarySearchFunc(v.plain, chars, func(s slice, c int32) int { return int(s.chars - c) })
	if ok {
		return n
	}
	return n - 1
}

// plainChars is the number of characters of s where all are of pda.Plain, else 0.
func plainChars(s []byte) (n int) {
	for len(s) > 0 {
		c, size := utf8.DecodeRune(s)
		if c == utf8.RuneError && size == 1 || !pda.Plain.Has(c) {
			return 0
		}
		s = s[size:]
		n++
	}
	return n
}

// Count returns the number of tokens that a mask allows.
func Count(mask []uint64) (n int) {
	for _, w := range mask {
		n += bits.OnesCount64(w)
	}
	return n
}
