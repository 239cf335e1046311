package engine

import "eclat/model"

// Len returns the number of tokens in the sequence.
func (s *Session) Len() int { return len(s.tokens) }

// Rewind forgets all tokens after the first n, and gives back the pages that they
// alone filled. It panics where the sequence is shorter.
func (s *Session) Rewind(n int) {
	s.tokens = s.tokens[:n]
	s.stored = min(s.stored, n)
	keep := model.Pages(s.stored)
	s.e.pool.give(s.table[keep:])
	s.table = s.table[:keep]
}

// Losses returns how often devices were lost and opened again. What was timed
// across a loss is no measurement.
func (e *Engine) Losses() int {
	e.chain.mu.Lock()
	defer e.chain.mu.Unlock()
	return e.epoch
}
