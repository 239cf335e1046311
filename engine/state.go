package engine

import "eclat/model"

// standing is where a sequence stood. While it is held the sequence's slots stay as they
// were: the next run writes to copies.
type standing struct {
	stored int
	slots  []int32 // by pool; −1 where it had none
}

// stand makes s hold what takeBack needs to bring q back to here: a state cannot be cut
// back, as pages can. It ends with takeBack or settle.
func (o *owner) stand(q *sequence, s *standing) {
	s.stored, s.slots = q.stored, s.slots[:0]
	for pool, k := range o.pages.kinds {
		u := int32(-1)
		if k.Per == model.Sequence && pool < len(q.units) && len(q.units[pool]) > 0 {
			u = q.units[pool][0]
			o.pages.hold(pool, u)
		}
		s.slots = append(s.slots, u)
	}
}

// takeBack returns q to where it stood: what ran since then, as a draft that was wrong or a
// run that failed, never was. Pages beyond stay and are written again.
func (o *owner) takeBack(q *sequence, s *standing) {
	for pool, k := range o.pages.kinds {
		if k.Per != model.Sequence || pool >= len(q.units) {
			continue
		}
		for _, u := range q.units[pool] {
			o.pages.drop(pool, u)
		}
		if q.units[pool] = q.units[pool][:0]; s.slots[pool] >= 0 {
			q.units[pool] = append(q.units[pool], s.slots[pool])
		}
	}
	q.stored = s.stored
}

// settle lets go of where a sequence stood: it goes on from where it is.
func (o *owner) settle(s *standing) {
	for pool, u := range s.slots {
		o.pages.drop(pool, u)
	}
}

// try holds where q stands before a guess runs through its state.
func (o *owner) try(q *sequence) {
	o.stand(q, &q.was)
	q.tried, q.ran = true, -1
}

// tryEnds lets go of what try holds. Where less of what ran is q's, q goes back, and what is
// its own of it runs once more, as a part of the next batch.
func (o *owner) tryEnds(q *sequence) {
	switch {
	case !q.tried:
	case q.stored == q.ran:
		o.settle(&q.was)
	default:
		o.takeBack(q, &q.was)
	}
	q.tried = false
}

// undo makes the state of a sequence fit for use again after a run that may have ended
// midway: q stands where it stood before a guess, or has none.
func (o *owner) undo(q *sequence) {
	switch {
	case !o.index.states:
	case q.tried:
		o.tryEnds(q)
	default:
		o.release(q)
		q.units = nil
	}
}
