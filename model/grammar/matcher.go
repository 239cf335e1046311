package grammar

import (
	"fmt"
	"slices"
)

// Matcher follows one output. Its memory is reused, so that nothing is allocated once it has
// grown to what the grammar needs.
type Matcher struct {
	runner
	c     *Masks
	v     *Vocabulary
	set   []thread // where the text may stand
	ended bool     // an end token has been accepted

	past   []moment // a ring of what was before each of the last accepts
	newest int      // index of the last one
	depth  int      // moments that are there

	spare   [2][]thread
	mark    []int32 // for compaction
	compact int     // frames at which it is due

	// Of walks.
	buf   []thread
	level []int
	ids   []int32
	key   []int32
}

// moment is what Rollback brings back.
type moment struct {
	set   []thread
	ended bool
}

// Matcher starts an output. It can go back over the last rollback accepts.
func (c *Masks) Matcher(rollback int) *Matcher {
	m := &Matcher{c: c, v: c.v, past: make([]moment, max(rollback, 0))}
	m.p = c.g.p
	m.level = make([]int, c.v.all.deep+2)
	m.Reset()
	return m
}

// Reset goes back to the start of an output and forgets the past.
func (m *Matcher) Reset() {
	m.s.reset()
	m.over, m.narrow = false, false
	m.set, m.ended, m.depth, m.compact = m.set[:0], false, 0, 1024
	m.set = m.open(m.set, 0, m.p.Start, 0)
	if m.p.Empty {
		m.set = append(m.set, thread{done, 0})
	}
}

// Final reports whether the text is complete as it is, so that an end token may follow.
func (m *Matcher) Final() bool {
	return !m.ended && slices.Contains(m.set, thread{done, 0})
}

// Done reports whether an end token has been accepted.
func (m *Matcher) Done() bool { return m.ended }

// Allows reports whether Accept would take the token.
func (m *Matcher) Allows(id int32) bool {
	if id < 0 || int(id) >= len(m.v.tokens) || m.ended {
		return false
	}
	if slices.Contains(m.v.ends, id) {
		return m.Final()
	}
	frames := len(m.s.frames)
	next := m.try(m.v.tokens[id])
	m.s.cut(frames)
	return len(next) > 0
}

// Accept appends a token to the text. ErrRefused leaves the matcher as it was.
func (m *Matcher) Accept(id int32) error {
	if id < 0 || int(id) >= len(m.v.tokens) {
		return fmt.Errorf("token %d of %d: %w", id, len(m.v.tokens), ErrRefused)
	}
	if slices.Contains(m.v.ends, id) {
		if !m.Final() {
			return fmt.Errorf("end token %d: %w", id, ErrRefused)
		}
		m.remember()
		m.set = append(m.set[:0], m.was()...)
		m.ended = true
		return nil
	}
	if err := m.AcceptBytes(m.v.tokens[id]); err != nil {
		return fmt.Errorf("token %d: %w", id, err)
	}
	return nil
}

// AcceptBytes appends bytes to the text, one accept for Rollback.
func (m *Matcher) AcceptBytes(b []byte) error {
	if m.ended {
		return fmt.Errorf("%q after the end: %w", b, ErrRefused)
	}
	frames := len(m.s.frames)
	next := m.try(b)
	if len(next) == 0 {
		m.s.cut(frames)
		if m.narrow {
			return fmt.Errorf("%q: %w", b, ErrAmbiguous)
		}
		return fmt.Errorf("%q: %w", b, ErrRefused)
	}
	m.remember()
	m.set = append(m.set[:0], next...)
	if len(m.s.frames) > m.compact {
		m.collect()
	}
	return nil
}

// try returns the threads behind b, none where b is refused or empty. They lie in scratch
// memory.
func (m *Matcher) try(b []byte) []thread {
	m.over, m.narrow = false, false
	now := m.set
	for i, c := range b {
		next := m.step(m.spare[i&1][:0], now, c)
		m.spare[i&1] = next
		if now = next; len(now) == 0 {
			return nil
		}
	}
	if len(b) == 0 {
		return nil
	}
	return now
}

// remember puts the present into the ring. The set's memory changes places with the oldest.
func (m *Matcher) remember() {
	if len(m.past) == 0 {
		return
	}
	m.newest = (m.newest + 1) % len(m.past)
	p := &m.past[m.newest]
	p.set, m.set = m.set, p.set
	p.ended = m.ended
	m.depth = min(m.depth+1, len(m.past))
}

// was returns the set before the last remember.
func (m *Matcher) was() []thread {
	if len(m.past) == 0 {
		return m.set
	}
	return m.past[m.newest].set
}

// Rollback undoes the last n accepts; ErrRollback where fewer are remembered.
func (m *Matcher) Rollback(n int) error {
	if n < 0 || n > m.depth {
		return fmt.Errorf("rollback of %d accepts, %d remembered: %w", n, m.depth, ErrRollback)
	}
	for ; n > 0; n-- {
		p := &m.past[m.newest]
		p.set, m.set = m.set, p.set
		m.ended = p.ended
		m.newest = (m.newest + len(m.past) - 1) % len(m.past)
		m.depth--
	}
	return nil
}

// collect drops the frames that neither the present nor the past needs.
func (m *Matcher) collect() {
	m.mark = slices.Grow(m.mark[:0], len(m.s.frames))[:len(m.s.frames)]
	clear(m.mark)
	each := func(f func(*thread)) {
		for i := range m.set {
			f(&m.set[i])
		}
		for n := range m.depth {
			set := m.past[(m.newest+len(m.past)-n)%len(m.past)].set
			for i := range set {
				f(&set[i])
			}
		}
	}
	each(func(t *thread) { m.s.keep(m.mark, t.stack) })
	m.s.compact(m.mark)
	each(func(t *thread) { t.stack = m.mark[t.stack] })
	m.compact = max(1024, 2*len(m.s.frames))
}

// Forced appends to dst the bytes that must follow whatever is chosen, at most limit of
// them. The matcher stays where it is. They may be appended to the text without asking the
// model, from a boundary of tokens, then tokenised again.
func (m *Matcher) Forced(dst []byte, limit int) []byte {
	if m.ended {
		return dst
	}
	frames := len(m.s.frames)
	m.over, m.narrow = false, false
	now := m.set
	for i := range limit {
		c, ok := m.only(now)
		if !ok {
			break
		}
		next := m.step(m.spare[i&1][:0], now, c)
		m.spare[i&1] = next
		if now = next; len(now) == 0 || m.over {
			break
		}
		dst = append(dst, c)
	}
	m.s.cut(frames)
	return dst
}

// only returns the one byte that set can take.
func (m *Matcher) only(set []thread) (c byte, ok bool) {
	for _, t := range set {
		if t.state == done {
			return 0, false
		}
		st := &m.p.States[t.state]
		for _, e := range m.p.Edges[st.Edge:st.EdgeEnd] {
			if e.Lo != e.Hi || ok && e.Lo != c {
				return 0, false
			}
			c, ok = e.Lo, true
		}
	}
	return c, ok
}
