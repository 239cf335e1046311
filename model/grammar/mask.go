package grammar

import (
	"fmt"
	"slices"

	"eclat/model/grammar/pda"
)

// maxSteps bounds the threads moved for one mask; past it the grammar is too ambiguous.
const maxSteps = 1 << 26

// Mask writes to dst, of the vocabulary's Words, the tokens that may follow: those after
// which the text can be gone on with or is complete, and the end tokens where it is complete.
// It fails with ErrStuck where that is none, and with ErrAmbiguous where finding them takes
// too much work. After the end it allows nothing.
func (m *Matcher) Mask(dst []uint64) error {
	if len(dst) != m.v.Words() {
		return fmt.Errorf("mask of %d words, not %d", len(dst), m.v.Words())
	}
	clear(dst)
	if m.ended {
		return nil
	}
	m.over, m.narrow = false, false
	narrow := false
	for _, t := range m.set {
		if t.state == done || m.p.States[t.state].Edge == m.p.States[t.state].EdgeEnd {
			continue
		}
		if m.c.fetch(m, t, dst) {
			continue
		}
		slice, read, ok := m.walk(t)
		if !ok {
			return ErrAmbiguous
		}
		narrow = narrow || m.narrow
		m.c.store(m, t, slice, read, dst)
	}
	if m.Final() {
		for _, id := range m.v.ends {
			dst[id/64] |= 1 << (id % 64)
		}
	}
	if !slices.ContainsFunc(dst, func(w uint64) bool { return w != 0 }) {
		if narrow {
			return ErrAmbiguous
		}
		return ErrStuck
	}
	return nil
}

// walk finds the tokens that may follow thread t. Those of plain text are the vocabulary's
// slice of that number (−1: none), the others are left in m.ids. read is how many frames of
// t's stack had a say, the bottom counted as one. The way goes down the trie with the
// threads of each depth; where none is left, all below is skipped.
func (m *Matcher) walk(t thread) (slice int32, read int, ok bool) {
	m.over, m.narrow = false, false
	frames := len(m.s.frames)
	top := m.s.frames[t.stack]
	m.low = top.depth + 1
	tr, slice := m.v.all, -1
	switch m.p.States[t.state].Free {
	case pda.Stays:
		tr, slice = m.v.rest, int32(len(m.v.plain)-1)
	case pda.OneATurn:
		if l := ^top.what; t.stack != 0 && l >= 0 && m.p.Loops[l].Again == t.state {
			m.low = top.depth
			left := int32(m.v.all.deep)
			if most := m.p.Loops[l].Max; most >= 0 {
				left = most - top.count
			}
			tr, slice = m.v.rest, int32(m.v.plainUpTo(left))
		}
	}
	m.ids = m.ids[:0]
	m.buf = append(m.buf[:0], t)
	m.level[0], m.level[1] = 0, 1
	nodes := tr.nodes
	work := 0
	for i := int32(1); int(i) < len(nodes)-1; {
		n := &nodes[i]
		now := m.buf[m.level[n.depth-1]:m.level[n.depth]]
		if work += len(now); work > maxSteps {
			m.s.cut(frames)
			return 0, 0, false
		}
		m.buf = m.step(m.buf[:m.level[n.depth]], now, n.b)
		if len(m.buf) == m.level[n.depth] {
			i = n.skip
			continue
		}
		m.level[n.depth+1] = len(m.buf)
		m.ids = append(m.ids, tr.ids[n.ids:nodes[i+1].ids]...)
		i++
	}
	m.s.cut(frames)
	return slice, int(max(top.depth-m.low+1, 0)), true
}
