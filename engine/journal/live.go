package journal

import (
	"slices"

	"eclat/model"
)

// Trim forgets what no memory that is held hangs on, where the log has grown enough to be
// worth a look, and everything where too much would be left. held says which units are of
// use; what runs later may read no other. What is not checked yet is kept where checks is
// set.
func (l *Log) Trim(held func(pool int, unit int32) bool, checks bool) {
	if l.over || l.bytes < l.due {
		return
	}
	l.forget(held, checks)
	if l.bytes > l.most {
		l.over, l.done, l.bytes = true, nil, 0
		return
	}
	l.due = min(l.most, max(1<<20, 2*l.bytes))
}

// forget goes through the log from its end, as a compiler that looks for dead code: what
// writes memory that is read later is kept, and what it reads is read later too.
func (l *Log) forget(held func(pool int, unit int32) bool, checks bool) {
	for len(l.live) < len(l.plan.Pools) {
		l.live = append(l.live, nil)
	}
	for pool, k := range l.plan.Pools { // a bit for each row of a unit
		l.live[pool] = slices.Grow(l.live[pool][:0], k.Units)[:k.Units]
		for u := range l.live[pool] {
			l.live[pool][u] = 0
			if held(pool, int32(u)) {
				l.live[pool][u] = ^uint32(0)
			}
		}
	}
	kept := len(l.done)
	l.bytes = 0
	for i := len(l.done) - 1; i >= 0; i-- {
		e := l.done[i]
		if !l.needs(e, checks && !e.checked) {
			continue
		}
		kept--
		l.done[kept] = e
		l.bytes += e.size()
	}
	clear(l.done[:kept])
	l.done = append(l.done[:0:0], l.done[kept:]...)
}

// needs reports whether what e writes is read, or e is wanted anyway. It takes what e writes
// off what is read, and adds what e reads.
func (l *Log) needs(e *entry, anyway bool) bool {
	if e.sums == nil {
		to := &l.live[e.pool][e.to]
		read := *to
		*to = 0
		if e.from >= 0 {
			l.live[e.pool][e.from] |= read
		}
		return read != 0
	}
	some := uint32(0)
	l.each(e, func(pool int, u int32, written, _ uint32) {
		some |= l.live[pool][u] & written
		l.live[pool][u] &^= written
	})
	if some == 0 && !anyway {
		return false
	}
	l.each(e, func(pool int, u int32, _, read uint32) { l.live[pool][u] |= read })
	return true
}

// each tells the units of a run, with the rows that it writes and reads, a bit each.
func (l *Log) each(e *entry, tell func(pool int, u int32, written, read uint32)) {
	at := 0
	for _, s := range e.seqs {
		first := int(e.pos[at*l.plan.Axes])
		at += s.N
		for pool, k := range l.plan.Pools {
			if k.Per == model.Sequence {
				read := ^uint32(0)
				if first == 0 { // before position 0 a state is zero
					read = 0
				}
				tell(pool, s.Units[pool][0], ^uint32(0), read)
				continue
			}
			from := k.FirstSeen(first)
			for i := from / model.PageLen; i < model.Pages(first+s.N); i++ {
				seen, before, end := upTo(from, i), upTo(first, i), upTo(first+s.N, i)
				tell(pool, s.Units[pool][i], end&^before, before&^seen)
			}
		}
	}
}

// upTo has a bit for each row of page i that lies before a position.
func upTo(pos, i int) uint32 {
	return uint32(uint64(1)<<max(0, min(pos-i*model.PageLen, model.PageLen)) - 1)
}

// A page's rows are the bits of a uint32.
var _ [32]struct{} = [model.PageLen]struct{}{}
