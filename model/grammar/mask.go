package grammar

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"eclat/model/grammar/pda"
)

// maxSteps bounds the threads moved for one mask; past it the grammar is too ambiguous.
const maxSteps = 1 << 24

// Mask writes to dst, of the vocabulary's Words, the tokens that may follow: those after
// which the text can be gone on with or is complete, and the end tokens where it is complete.
// It fails with ErrStuck where that is none, and with ErrAmbiguous where finding them takes
// too much work. After the end it allows nothing.
//
// Each thread's tokens are found alone, so that they can be kept. That is right as long as
// all threads together cannot become too many; else they are walked together.
func (m *Matcher) Mask(dst []uint64) error {
	if len(dst) != m.v.Words() {
		return fmt.Errorf("mask of %d words, not %d", len(dst), m.v.Words())
	}
	clear(dst)
	if m.ended {
		return nil
	}
	together := 0
	narrow := false
	for i, t := range m.set {
		if t.state == done || m.p.States[t.state].Edge == m.p.States[t.state].EdgeEnd {
			continue
		}
		peak, known := m.c.fetch(m, t, dst)
		if !known {
			w, err := m.walk(m.set[i : i+1])
			if err != nil {
				return err
			}
			m.c.store(m, t, w, dst)
			peak = w.peak
		}
		if together += peak; together > maxThreads {
			clear(dst)
			w, err := m.walk(m.set)
			if err != nil {
				return err
			}
			narrow = m.narrow
			m.c.add(&entry{slice: w.slice, text: w.text, ids: m.ids}, dst)
			break
		}
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

// walked is what a walk found besides m.ids.
type walked struct {
	slice int32 // further tokens: the vocabulary's slice of that number, −1 for none
	text  text  // further tokens: those of this text
	read  int   // how many frames of the thread's stack had a say, the bottom counted as one
	peak  int   // most threads at once
}

// walk finds the tokens that may follow the threads of set. It goes down the trie with the
// threads of each depth; where none is left, all below is skipped, and where one of them
// takes all that is below, that is taken unseen. A single thread of a free state is spared
// the tokens of plain text, and one that takes all text of many classes those of that.
func (m *Matcher) walk(set []thread) (w walked, err error) {
	m.over, m.narrow = false, false
	frames := len(m.s.frames)
	top := m.s.frames[set[0].stack]
	m.low = top.depth + 1
	w = walked{slice: -1, peak: len(set)}
	tr := m.v.all
	if len(set) == 1 && m.free(set[0], top, &w.slice) {
		tr = m.v.rest
	} else if len(set) == 1 {
		w.text = m.takes(set[0])
	}
	m.ids = m.ids[:0]
	m.buf = append(m.buf[:0], set...)
	m.level[0], m.level[1] = 0, len(set)
	nodes := tr.nodes
	work := 0
	for i := int32(1); int(i) < len(nodes)-1; {
		n := &nodes[i]
		k := tr.below[i]
		own := tr.text[i]&^w.text.classes == 0 && int32(n.depth) <= w.text.bytes
		if own && k&^w.text.classes == 0 && int32(n.depth)+k.Width()*int32(n.chars) <= w.text.bytes {
			i = n.skip
			continue
		}
		end := m.level[n.depth]
		now := m.buf[m.level[n.depth-1]:end]
		if work += len(now); work > maxSteps {
			m.s.cut(frames)
			return w, ErrAmbiguous
		}
		m.buf = m.step(m.buf[:end], now, n.b)
		if len(m.buf) == end {
			i = n.skip
			continue
		}
		w.peak = max(w.peak, len(m.buf)-end)
		m.level[n.depth+1] = len(m.buf)
		next := i + 1
		if own { // its own tokens are of w.text
			i++
			continue
		}
		if k != 0 && k&pda.NoText == 0 && m.takeAll(m.buf[end:], k, int32(n.chars)) {
			next = n.skip
		}
		m.ids = append(m.ids, tr.ids[n.ids:nodes[next].ids]...)
		i = next
	}
	m.s.cut(frames)
	if m.narrow {
		w.peak = maxThreads + 1
	}
	w.read = int(max(top.depth-m.low+1, 0))
	return w, nil
}

// fewClasses are as many as it is not worth arranging the vocabulary by.
const fewClasses = 6

// takes returns which text thread t takes all of, by itself.
func (m *Matcher) takes(t thread) text {
	x := m.c.text(t.state)
	if bits.OnesCount64(uint64(x.Classes)) <= fewClasses || !m.alone(t, x, x.Classes) {
		return text{}
	}
	if x.Chars < 0 {
		return text{x.Classes, math.MaxInt32}
	}
	return text{x.Classes, x.Chars}
}

// takeAll reports whether one of the threads takes all text of some classes, of at most so many
// characters, so that the others do not matter. All of them have to stay few on the way,
// which nobody will see.
func (m *Matcher) takeAll(set []thread, k pda.Classes, chars int32) bool {
	taken := false
	for _, t := range set {
		if t.state == done {
			continue
		}
		x := m.c.text(t.state)
		switch {
		case k&^x.Classes == 0 && (x.Chars < 0 || chars <= x.Chars) && m.alone(t, x, k),
			k&^x.Turn == 0 && m.turns(t, k, chars):
			taken = true
		case k&x.First != 0: // it goes on, who knows as how many
			return false
		}
	}
	return taken
}

// alone reports whether thread t stays one thread, and one more that nothing follows, while
// it takes text of some classes by x.
func (m *Matcher) alone(t thread, x *pda.Taken, k pda.Classes) bool {
	if x.Forks || !x.Leaves || t.stack == 0 {
		return !x.Forks
	}
	f := m.s.frames[t.stack]
	m.low = min(m.low, f.depth)
	return f.what >= 0 && m.idle(f.what, k)
}

// idle reports whether a thread in a state is one, and takes nothing of some classes.
func (m *Matcher) idle(state int32, k pda.Classes) bool {
	st := &m.p.States[state]
	return !st.Leave && st.Act == st.ActEnd && m.c.text(state).First&k == 0
}

// turns is takeAll of thread t with each character a turn of a loop, where nothing follows
// what may come behind the loop meanwhile.
func (m *Matcher) turns(t thread, k pda.Classes, chars int32) bool {
	f := m.s.frames[t.stack]
	if t.stack == 0 || f.what >= 0 || m.p.Loops[^f.what].Again != t.state {
		return false
	}
	l := &m.p.Loops[^f.what]
	m.low = min(m.low, f.depth)
	st := &m.p.States[t.state]
	return !st.Leave && st.Act == st.ActEnd && m.idle(l.After, k) && (l.Max < 0 || f.count+chars <= l.Max)
}

// free reports whether all tokens of plain text that may follow t are those of a slice.
func (m *Matcher) free(t thread, top frame, slice *int32) bool {
	longest := int32(len(m.v.plain) - 1)
	if x := m.c.text(t.state); m.p.States[t.state].Free == pda.Bound && pda.PlainClasses&^x.Classes == 0 && x.Chars < 0 && m.alone(t, x, pda.PlainClasses) {
		*slice = longest
		return true
	}
	switch m.p.States[t.state].Free {
	case pda.Stays:
		*slice = longest
		return true
	case pda.OneATurn:
		l := ^top.what
		if t.stack == 0 || l < 0 || m.p.Loops[l].Again != t.state {
			return false
		}
		m.low = top.depth
		most := longest
		if x := m.p.Loops[l]; x.Max >= 0 {
			most = int32(m.v.plainUpTo(x.Max - top.count))
		}
		// A longer text goes on behind the loop, if there it can.
		if most == longest || m.p.Loops[l].Shut {
			*slice = most
			return true
		}
	}
	return false
}
