package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"eclat/model"
)

// part is what a sequence has in a batch.
type part struct {
	q     *sequence
	n     int // tokens, those of a guess among them
	want  int // its first wanted row among the batch's
	wants int // how many it has; those of its last tokens
}

// maxWant is the most wanted rows in a batch, where there are not more sequences.
const maxWant = streamRows

// gatherNext fills the next batch. What is embedded and what is not end differently: they
// take turns.
func (o *owner) gatherNext() bool {
	o.embeds = !o.embeds
	if o.gather() || o.fault != nil {
		return true
	}
	o.embeds = !o.embeds
	return o.gather()
}

// gather fills the next batch: first the sequences that answer, a token each; then
// chunks of prompts, a different sequence first each time, up to the budget. Where
// there are more sequences than a batch has tokens, answers take turns too and leave
// some tokens to prompts. It reports false where there is nothing to run.
func (o *owner) gather() bool {
	o.parts = o.parts[:0]
	b := &o.batch
	b.Tokens, b.Pos, b.Seqs, b.Want, b.How = b.Tokens[:0], b.Pos[:0], b.Seqs[:0], b.Want[:0], b.How[:0]
	budget := o.e.Chunk
	o.order = o.order[:0]
	for _, q := range o.active {
		if (q.pooler != nil) == o.embeds {
			o.order = append(o.order, q)
		}
	}
	if o.embeds { // looked at once a step, or every other one
		o.turn++
	}
	first, left := 0, 0
	o.answers = 0
	for _, q := range o.order {
		if q.answering() {
			o.answers++
		}
	}
	if len(o.order) > budget {
		left = budget / 8
		first = o.turn * (budget - left) // where the last batch ended
	}
	for i := range o.order {
		q := o.order[(i+first)%len(o.order)]
		if budget > left && q.active && q.answering() && o.hasRoom(q) {
			o.draft(q, budget-1)
			budget -= o.putDraft(q)
		}
	}
	for i := range o.order {
		q := o.order[(i+o.turn)%len(o.order)]
		// What gave way to an answer just now is active no more.
		if budget > 0 && q.active && !q.answering() && o.hasRoom(q) && !o.waits(q) {
			budget -= o.put(q, min(budget, q.left()))
		}
	}
	return len(o.parts) > 0
}

// hasRoom reports whether the reader of q's stream keeps up; where not, q waits and
// the reader wakes the owner.
func (o *owner) hasRoom(q *sequence) bool {
	was := q.stream.paused.Swap(true)
	if q.room() > 0 {
		q.stream.paused.Store(false)
		return true
	}
	o.changed = o.changed || !was // its place may be another's now
	return false
}

// putDraft adds the next token of q to the batch and the guess behind it.
func (o *owner) putDraft(q *sequence) (n int) {
	if len(q.draft) == 0 || !o.index.states {
		return o.put(q, 1+len(q.draft))
	}
	start := time.Now()
	o.try(q)
	if n = o.put(q, 1+len(q.draft)); n <= 1 { // there was no room for the guess
		q.ran = q.stored
		o.tryEnds(q)
		return n
	}
	q.ran = q.stored + n
	smooth(&o.keeping, time.Since(start).Seconds())
	return n
}

// put adds the next tokens of q to the batch, at most n, and returns how many.
func (o *owner) put(q *sequence, n int) int {
	b := &o.batch
	free := max(maxWant, o.e.options.Parallel) - len(b.Want)
	n = min(n, q.room(), q.untilMark())
	wants := 0
	switch {
	case q.pooler != nil:
		var first int
		first, n = q.pooled(n)
		wants = n - first
	case q.r.Rows:
		n = min(n, max(0, q.r.From-q.stored)+free)
		wants = min(n, max(0, q.stored+n-q.r.From))
	case q.answering():
		wants = min(n, free)
		n = wants
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
	own := min(n, q.left())
	b.Tokens = append(b.Tokens, q.tokens[q.stored:q.stored+own]...)
	b.Tokens = append(b.Tokens, q.draft[:n-own]...)
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

// reserved makes room for n tokens of q. Where memory is short, another sequence gives
// way and starts again later with the tokens it has.
func (o *owner) reserved(q *sequence, n int) bool {
	for {
		ok, err := o.reserve(o.e.ctx, q, n)
		switch {
		case ok:
			return true
		case err == nil:
		case errors.Is(err, ErrLost):
			o.fault = err
			return false
		case o.e.ctx.Err() != nil: // the engine is being closed
			return false
		default:
			o.end(q, "", err)
			return false
		}
		victim, wait := o.victim(q)
		switch {
		case victim != nil:
			o.giveWay(victim, o.queue.pushFront)
		case wait:
			return false
		default: // what the context promises is there, unless a probe has it
			o.end(q, "", fmt.Errorf("%w: a probe uses the pages that %d tokens need", ErrMemory, q.stored+n))
			return false
		}
	}
}

// victim is the sequence that gives its memory to q: the last one admitted after q
// that is not in the batch yet. Where there is none, wait says that others with memory
// go on and will end; where none of them does, one whose reader has stopped is it.
func (o *owner) victim(q *sequence) (victim *sequence, wait bool) {
	wait = len(o.parts) > 0
	younger := true
	for _, v := range slices.Backward(o.active) {
		switch {
		case v == q:
			younger = false
		case len(v.units) == 0 || slices.ContainsFunc(o.parts, func(p part) bool { return p.q == v }):
		case younger:
			return v, false
		case v.stream.paused.Load():
			victim = v
		default:
			wait = true
		}
	}
	if wait {
		victim = nil
	}
	return victim, wait
}

// giveWay takes the memory from a sequence, which waits for its turn again where push
// puts it.
func (o *owner) giveWay(q *sequence, push func(*sequence)) {
	if o.checking {
		q.back(q.sure)
	}
	o.release(q)
	q.units, o.changed = nil, true
	o.leave(q)
	push(q)
	o.e.queued(1)
}
