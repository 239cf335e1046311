package grammar

import (
	"math"
	"sync"
	"sync/atomic"

	"eclat/model/grammar/pda"
)

// Masks keeps the masks of one grammar over one vocabulary, under a number of bytes, the
// ones longest unused dropped first. What may follow a thread depends on its state and on
// the frames of its stack that some token reaches, and those are the key. The count of a
// loop stands in it as how many turns must and may still follow, no more than the longest
// token has bytes: beyond that no token can tell the difference.
type Masks struct {
	g      *Grammar
	v      *Vocabulary
	budget int

	texts []atomic.Pointer[pda.Taken] // by state; nil where nobody asked yet

	mu      sync.Mutex
	index   map[uint64]int32
	entries []entry // 0 heads the list by use
	free    []int32
	used    int
	deepest int // frames in the longest key
}

type entry struct {
	next, prev int32
	hash       uint64
	key        []int32
	slice      int32    // of the vocabulary, −1 for none
	peak       int32    // threads at once
	text       text     // further tokens, those of this text
	ids        []int32  // further tokens, or
	bits       []uint64 // the same as a mask, where that is shorter
}

const entryBytes = 176 // of an entry and its share of the index

// NewMasks makes the cache of g over v, of at most budget bytes.
func NewMasks(g *Grammar, v *Vocabulary, budget int) *Masks {
	return &Masks{g: g, v: v, budget: budget, texts: make([]atomic.Pointer[pda.Taken], len(g.p.States)), index: map[uint64]int32{}, entries: make([]entry, 1)}
}

// text returns what a state takes. It is found once.
func (c *Masks) text(state int32) *pda.Taken {
	at := &c.texts[state]
	x := at.Load()
	if x == nil {
		found := c.g.p.Text(state)
		x = &found
		at.Store(x)
	}
	return x
}

const bottom = math.MinInt32 // stands in a key for the end of the stack

func mix(h uint64, x int32) uint64 {
	h = (h ^ uint64(uint32(x))) * 0x9E3779B97F4A7C15
	return h ^ h>>29
}

// part appends to key what frame id of m's stacks means for a mask.
func (c *Masks) part(m *Matcher, key []int32, id int32) []int32 {
	if id == 0 {
		return append(key, bottom, 0, 0)
	}
	f := m.s.frames[id]
	if f.what >= 0 {
		return append(key, f.what, 0, 0)
	}
	l, far := m.p.Loops[^f.what], int32(c.v.all.deep+1)
	left := far
	if l.Max >= 0 {
		left = min(l.Max-f.count, far)
	}
	return append(key, f.what, min(max(l.Min-f.count, 0), far), left)
}

// fetch adds the tokens that may follow t to dst, where they are known, and returns the most
// threads that t becomes. Any entry whose key
// agrees with t as far as it goes is the right one.
func (c *Masks) fetch(m *Matcher, t thread, dst []uint64) (peak int, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := append(m.key[:0], t.state)
	h := mix(0, t.state)
	for n, at := 0, t.stack; ; n++ {
		if i, ok := c.index[h]; ok && equal(c.entries[i].key, key) {
			m.key = key
			c.touch(i)
			c.add(&c.entries[i], dst)
			return int(c.entries[i].peak), true
		}
		if n > 0 && key[len(key)-3] == bottom || n == c.deepest {
			m.key = key
			return 0, false
		}
		key = c.part(m, key, at)
		for _, x := range key[len(key)-3:] {
			h = mix(h, x)
		}
		at = m.s.frames[at].up
	}
}

func equal(a, b []int32) bool {
	if len(a) != len(b) {
		return false
	}
	for i, x := range a {
		if x != b[i] {
			return false
		}
	}
	return true
}

// add sets the entry's tokens in dst.
func (c *Masks) add(e *entry, dst []uint64) {
	if e.slice >= 0 {
		unite(dst, c.v.plain[e.slice].bits)
	}
	if e.text.classes != 0 {
		unite(dst, c.v.cut(e.text.classes).upTo(e.text.bytes))
	}
	if e.bits != nil {
		unite(dst, e.bits)
		return
	}
	for _, id := range e.ids {
		dst[id/64] |= 1 << (id % 64)
	}
}

func unite(dst, src []uint64) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] |= src[i]
	}
}

// store adds what m.walk found of t to dst and, unless a limit cut the walk, keeps it.
func (c *Masks) store(m *Matcher, t thread, w walked, dst []uint64) {
	c.add(&entry{slice: w.slice, text: w.text, ids: m.ids}, dst)
	if m.over {
		return
	}
	key := append(m.key[:0], t.state)
	for at := t.stack; w.read > 0; w.read-- {
		key = c.part(m, key, at)
		at = m.s.frames[at].up
	}
	m.key = key
	h := mix(0, t.state)
	for _, x := range key[1:] {
		h = mix(h, x)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	e := entry{hash: h, key: append([]int32(nil), key...), slice: w.slice, text: w.text, peak: int32(w.peak)}
	if len(m.ids) <= 2*c.v.Words() {
		e.ids = append([]int32(nil), m.ids...)
	} else {
		e.bits = make([]uint64, c.v.Words())
		for _, id := range m.ids {
			e.bits[id/64] |= 1 << (id % 64)
		}
	}
	if e.size() > c.budget {
		return
	}
	if old, ok := c.index[h]; ok { // by another goroutine, or another key of the same hash
		c.drop(old)
	}
	for c.used+e.size() > c.budget {
		c.drop(c.entries[0].prev)
	}
	c.used += e.size()
	c.deepest = max(c.deepest, len(key)/3)
	i := int32(len(c.entries))
	if n := len(c.free); n > 0 {
		i, c.free = c.free[n-1], c.free[:n-1]
		c.entries[i] = e
	} else {
		c.entries = append(c.entries, e)
	}
	c.link(i)
	c.index[h] = i
}

func (e *entry) size() int { return entryBytes + 4*len(e.key) + 4*len(e.ids) + 8*len(e.bits) }

func (c *Masks) link(i int32) {
	head, e := &c.entries[0], &c.entries[i]
	e.prev, e.next = 0, head.next
	c.entries[head.next].prev = i
	head.next = i
}

func (c *Masks) unlink(i int32) {
	e := c.entries[i]
	c.entries[e.prev].next = e.next
	c.entries[e.next].prev = e.prev
}

func (c *Masks) touch(i int32) {
	c.unlink(i)
	c.link(i)
}

func (c *Masks) drop(i int32) {
	c.unlink(i)
	delete(c.index, c.entries[i].hash)
	c.used -= c.entries[i].size()
	c.entries[i] = entry{}
	c.free = append(c.free, i)
}

// Bytes is how much memory the masks take now.
func (c *Masks) Bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}
