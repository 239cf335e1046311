package engine

import (
	"slices"

	"eclat/model"
)

// part is what a sequence has in a batch.
type part struct {
	q     *sequence
	n     int // tokens
	want  int // its first wanted row among the batch's
	wants int // how many it has; those of its last tokens
}

// maxWant is the most wanted rows in a batch, where there are not more sequences.
const maxWant = streamRows

// gather fills the next batch: first the sequences that answer, a token each; then
// chunks of prompts, a different sequence first each time, up to the budget. It
// reports false where there is nothing to run.
func (o *owner) gather() bool {
	o.parts = o.parts[:0]
	b := &o.batch
	b.Tokens, b.Pos, b.Seqs, b.Want, b.How = b.Tokens[:0], b.Pos[:0], b.Seqs[:0], b.Want[:0], b.How[:0]
	budget := o.e.Chunk
	o.order = append(o.order[:0], o.active...)
	for _, q := range o.order {
		if budget > 0 && slices.Contains(o.active, q) && q.answering() && o.hasRoom(q) {
			budget -= o.put(q, 1)
		}
	}
	o.turn++
	for i := range o.order {
		q := o.order[(i+o.turn)%len(o.order)]
		// One that gave way meanwhile must not take shared pages: it waits in the queue.
		if budget > 0 && slices.Contains(o.active, q) && !q.answering() && o.hasRoom(q) && !o.waits(q) {
			budget -= o.put(q, min(budget, q.left()))
		}
	}
	return len(o.parts) > 0
}

// hasRoom reports whether the reader of q's stream keeps up; where not, q waits and
// the reader wakes the owner.
func (o *owner) hasRoom(q *sequence) bool {
	q.stream.paused.Store(true)
	if q.room() > 0 {
		q.stream.paused.Store(false)
		return true
	}
	return false
}

// put adds the next tokens of q to the batch, at most n, and returns how many.
func (o *owner) put(q *sequence, n int) int {
	b := &o.batch
	free := max(maxWant, o.e.options.Parallel) - len(b.Want)
	n = min(n, q.room())
	wants := 0
	switch {
	case q.r.Rows:
		n = min(n, max(0, q.r.From-q.stored)+free)
		wants = min(n, max(0, q.stored+n-q.r.From))
	case n == q.left() && q.r.MaxTokens != 0:
		wants = 1
		if free == 0 {
			n, wants = n-1, 0
		}
	}
	if n <= 0 || !o.reserved(q, n) {
		return 0
	}
	first := len(b.Tokens)
	b.Tokens = append(b.Tokens, q.tokens[q.stored:q.stored+n]...)
	for i := range n {
		b.Pos = append(b.Pos, int32(q.stored+i))
	}
	b.Seqs = append(b.Seqs, model.SeqRun{N: n, Units: q.units})
	o.parts = append(o.parts, part{q, n, len(b.Want), wants})
	for i := n - wants; i < n; i++ {
		b.Want = append(b.Want, int32(first+i))
		b.How = append(b.How, q.params())
	}
	return n
}

// reserved makes room for n tokens of q. Where memory is short, the sequence that
// was admitted last gives way and starts again later with the tokens it has.
func (o *owner) reserved(q *sequence, n int) bool {
	for {
		ok, err := o.reserve(o.e.ctx, q, n)
		if err != nil {
			o.end(q, "", err)
			return false
		}
		if ok {
			return true
		}
		victim := o.youngest(q)
		switch {
		case victim != nil:
			o.giveWay(victim)
		case len(o.parts) > 0 || len(o.active) > 1: // others will end
			return false
		case len(q.tokens) > len(q.r.Tokens):
			o.end(q, StopContext, nil)
			return false
		default:
			o.end(q, "", &ContextError{len(q.r.Tokens), o.e.Context})
			return false
		}
	}
}

// youngest is the last admitted sequence after q that is not in the batch yet.
func (o *owner) youngest(q *sequence) *sequence {
	for _, v := range slices.Backward(o.active) {
		if v == q {
			return nil
		}
		if len(v.units) > 0 && !slices.ContainsFunc(o.parts, func(p part) bool { return p.q == v }) {
			return v
		}
	}
	return nil
}

// giveWay takes the memory from a sequence, which waits for its turn again.
func (o *owner) giveWay(q *sequence) {
	o.release(q)
	q.units = nil
	o.active = slices.DeleteFunc(o.active, func(a *sequence) bool { return a == q })
	o.queue.pushFront(q)
	o.e.mu.Lock()
	o.e.waiting++
	o.e.mu.Unlock()
}
