package engine

import (
	"context"
	"fmt"

	"eclat/model"
)

// pages hands out units of memory, of every pool of the chain. A unit has as many
// references as sequences and index nodes use it. It belongs to the scheduler's
// goroutine.
type pages struct {
	kinds []model.Pool
	free  [][]int32 // by pool
	refs  [][]int32 // by pool and unit
	kept  [][]bool  // by pool and unit: one of the references is the index's
	idle  []int     // by pool: units that only the index holds, which it could give up
}

func newPages(kinds []model.Pool) *pages {
	n := len(kinds)
	p := &pages{kinds: kinds, free: make([][]int32, n), refs: make([][]int32, n), kept: make([][]bool, n), idle: make([]int, n)}
	for i, k := range kinds {
		p.refs[i], p.kept[i] = make([]int32, k.Units), make([]bool, k.Units)
		for u := k.Units - 1; u >= 0; u-- {
			p.free[i] = append(p.free[i], int32(u))
		}
	}
	return p
}

// take returns a free unit with one reference; false where there is none.
func (p *pages) take(pool int) (int32, bool) {
	n := len(p.free[pool])
	if n == 0 {
		return -1, false
	}
	u := p.free[pool][n-1]
	p.free[pool] = p.free[pool][:n-1]
	p.refs[pool][u] = 1
	return u, true
}

// held reports whether a unit is of use to anybody.
func (p *pages) held(pool int, u int32) bool { return p.refs[pool][u] > 0 }

// hold adds a sequence's reference to a unit that is held.
func (p *pages) hold(pool int, u int32) {
	p.count(pool, u, -1)
	p.refs[pool][u]++
}

// keep adds the index's reference to a unit that a sequence holds.
func (p *pages) keep(pool int, u int32) {
	p.refs[pool][u]++
	p.kept[pool][u] = true
}

// letGo takes the index's reference away. −1 is no unit.
func (p *pages) letGo(pool int, u int32) {
	if u < 0 {
		return
	}
	p.count(pool, u, -1)
	p.kept[pool][u] = false
	p.drop(pool, u)
}

// count adds n idle units where u is one.
func (p *pages) count(pool int, u int32, n int) {
	if p.kept[pool][u] && p.refs[pool][u] == 1 {
		p.idle[pool] += n
	}
}

// drop takes a sequence's reference away; the last one frees the unit. −1 is no unit.
func (p *pages) drop(pool int, u int32) {
	if u < 0 {
		return
	}
	r := &p.refs[pool][u]
	if *r--; *r < 0 {
		panic(fmt.Sprintf("engine: unit %d of pool %d was dropped once too often", u, pool))
	}
	if *r == 0 {
		p.free[pool] = append(p.free[pool], u)
	}
	p.count(pool, u, 1)
}

// release gives back all that a sequence holds.
func (o *owner) release(q *sequence) {
	for pool, table := range q.units {
		for _, u := range table {
			o.pages.drop(pool, u)
		}
		q.units[pool] = table[:0]
	}
	o.index.leave(q)
	q.stored = 0
}

// reserve makes room for the next n tokens of q: it gives back pages that no window
// shows any more, takes new ones, and copies those that others read before they are
// written to. False says that a pool is exhausted.
func (o *owner) reserve(ctx context.Context, q *sequence, n int) (bool, error) {
	for len(q.units) < len(o.pages.kinds) {
		q.units = append(q.units, nil)
	}
	for pool, k := range o.pages.kinds {
		if k.Per == model.Sequence {
			if len(q.units[pool]) == 0 {
				u, ok := o.takeUnit(pool)
				if !ok {
					return false, nil
				}
				q.units[pool] = append(q.units[pool], u)
				continue
			}
			if ok, err := o.own(ctx, pool, &q.units[pool][0], func() bool { return o.index.disownState(q, pool) }); !ok || err != nil {
				return false, err
			}
			continue
		}
		for i := range min(k.FirstSeen(q.stored)/model.PageLen, len(q.units[pool])) {
			o.pages.drop(pool, q.units[pool][i])
			q.units[pool][i] = -1
		}
		for len(q.units[pool]) < model.Pages(q.stored+n) {
			u, ok := o.takeUnit(pool)
			if !ok {
				return false, nil
			}
			q.units[pool] = append(q.units[pool], u)
		}
		for i := q.stored / model.PageLen; i < model.Pages(q.stored+n); i++ {
			if ok, err := o.own(ctx, pool, &q.units[pool][i], func() bool { return o.index.disown(q, pool) }); !ok || err != nil {
				return false, err
			}
		}
	}
	q.tail = nil // nothing that q writes to is another's
	return true, nil
}

// own makes a unit of a sequence one that it may write to: a copy, where others read it too,
// or where none is free the unit itself, if the index disowns it. False says that the pool
// is exhausted.
func (o *owner) own(ctx context.Context, pool int, unit *int32, disown func() bool) (bool, error) {
	from := *unit
	if o.pages.refs[pool][from] == 1 {
		return true, nil
	}
	to, ok := o.takeUnit(pool)
	if !ok {
		return disown(), nil
	}
	if err := o.chain.copyUnit(ctx, pool, from, to); err != nil {
		o.pages.drop(pool, to)
		return false, err
	}
	o.pages.drop(pool, from)
	*unit = to
	o.copied++
	return true, nil
}

// takeUnit returns a free unit, giving up shared pages that nobody reads, the least
// recently used first.
func (o *owner) takeUnit(pool int) (int32, bool) {
	for {
		if u, ok := o.pages.take(pool); ok {
			return u, true
		}
		if !o.index.giveUp(pool) {
			return -1, false
		}
	}
}
