package engine

import "slices"

// queue holds the sequences that wait for admission: first come, first served for
// each caller, and callers take turns. It belongs to the scheduler's goroutine.
type queue struct {
	turns []string               // callers with waiting sequences, the next first
	wait  map[string][]*sequence // never empty lists
	n     int
}

func (q *queue) push(s *sequence) {
	if q.wait == nil {
		q.wait = map[string][]*sequence{}
	}
	if len(q.wait[s.r.Caller]) == 0 {
		q.turns = append(q.turns, s.r.Caller)
	}
	q.wait[s.r.Caller] = append(q.wait[s.r.Caller], s)
	q.n++
}

// pushFront puts back a sequence that had been admitted: it is the next again.
func (q *queue) pushFront(s *sequence) {
	c := s.r.Caller
	q.turns = slices.DeleteFunc(q.turns, func(t string) bool { return t == c })
	q.turns = slices.Insert(q.turns, 0, c)
	q.wait[c] = slices.Insert(q.wait[c], 0, s)
	q.n++
}

// pushLast puts back a sequence that had been admitted, behind all others of its
// caller, and its caller behind all others.
func (q *queue) pushLast(s *sequence) {
	if i := slices.Index(q.turns, s.r.Caller); i >= 0 {
		q.turns = append(slices.Delete(q.turns, i, i+1), s.r.Caller)
	}
	q.push(s)
}

// next returns the sequence whose turn it is, nil where none waits.
func (q *queue) next() *sequence {
	if q.n == 0 {
		return nil
	}
	return q.wait[q.turns[0]][0]
}

// pop takes the next one out; the caller's next turn comes after all others'.
func (q *queue) pop() *sequence {
	c := q.turns[0]
	s := q.wait[c][0]
	q.turns = q.turns[1:]
	if q.wait[c] = q.wait[c][1:]; len(q.wait[c]) > 0 {
		q.turns = append(q.turns, c)
	} else {
		delete(q.wait, c)
	}
	q.n--
	return s
}

// remove takes out the sequences that gone says are.
func (q *queue) remove(gone func(*sequence) bool) {
	if q.n == 0 {
		return
	}
	var turns []string
	for _, c := range q.turns {
		var keep []*sequence
		for _, s := range q.wait[c] {
			if gone(s) {
				q.n--
			} else {
				keep = append(keep, s)
			}
		}
		if len(keep) > 0 {
			q.wait[c] = keep
			turns = append(turns, c)
		} else {
			delete(q.wait, c)
		}
	}
	q.turns = turns
}
