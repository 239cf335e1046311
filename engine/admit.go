package engine

import (
	"time"

	"eclat/model"
)

// admit starts waiting sequences while there is room for their prompts. Where all that
// are at work wait for their readers, they make room.
func (o *owner) admit() {
	for range 2*o.queue.n + len(o.active) { // each at most once, and those that make room
		q := o.queue.next()
		if q == nil {
			return
		}
		if len(o.active) >= o.e.options.Parallel || !o.roomFor(q) {
			v := o.stalled()
			switch {
			case v == nil:
				return
			case q.room() == 0: // it would wait for its reader too
				o.queue.push(o.queue.pop())
			default:
				o.giveWay(v, o.queue.pushLast)
			}
			continue
		}
		o.queue.pop()
		o.e.queued(-1)
		if err := o.ready(); err != nil {
			o.end(q, "", err)
			continue
		}
		if q.admitted.IsZero() {
			q.admitted = time.Now()
			q.compiled, q.checked = o.chain.compileTime(), o.chain.checked
			q.stats.PromptTokens = len(q.r.Tokens)
			q.stats.QueueTime = q.admitted.Sub(q.submitted)
		}
		if o.checking {
			q.sure = q.standpoint()
		}
		o.follow(q, o.active)
		o.active = append(o.active, q)
		q.active = true
	}
}

// stalled is the last admitted sequence, where every one at work waits for its
// reader; nil where one goes on.
func (o *owner) stalled() *sequence {
	for _, q := range o.active {
		if !q.stream.paused.Load() || q.room() > 0 {
			return nil
		}
	}
	if len(o.active) == 0 {
		return nil
	}
	return o.active[len(o.active)-1]
}

// roomFor reports whether the pages of q's prompt, and one for an answer, could be
// had now. The only sequence is always let in.
func (o *owner) roomFor(q *sequence) bool {
	if len(o.active) == 0 {
		return true
	}
	for pool, k := range o.pages.kinds {
		if k.Per == model.Position && len(o.pages.free[pool])+o.pages.idle[pool] < model.Pages(len(q.tokens)+1) {
			return false
		}
	}
	return true
}

// follow finds what q need not compute itself: what one of the others is about to
// compute.
func (o *owner) follow(q *sequence, others []*sequence) {
	q.leader, q.common = nil, 0
	for _, l := range others {
		if l.r.Caller != q.r.Caller {
			continue
		}
		n, most := 0, min(l.r.Share, len(l.tokens), q.r.Share, len(q.tokens)-1)
		for n < most && l.tokens[n] == q.tokens[n] {
			n++
		}
		if n = n / model.PageLen * model.PageLen; n > q.common && n > l.stored {
			q.leader, q.common = l, n
		}
	}
	if q.leader != nil && o.index.states {
		q.leader.mark(q.common)
	}
}

// waits reports whether q's next tokens are being computed by another sequence.
// When they are not any more, q takes what is there.
func (o *owner) waits(q *sequence) bool {
	if l := q.leader; l != nil && l.stored < q.common && !l.stream.paused.Load() {
		return true
	}
	q.leader = nil
	if q.stored == 0 && len(q.units) == 0 {
		q.stats.CachedTokens = max(q.stats.CachedTokens, o.index.find(q))
	}
	return false
}
