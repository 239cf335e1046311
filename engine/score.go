package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"eclat/model"
)

// Row is what the model says after one token of a given text.
type Row struct {
	Pos     int
	ID      int32     // the token at Pos
	Next    int32     // the token that follows; −1 after the last
	LogProb float64   // natural logarithm of Next's probability
	Top     []Ranked  // the most likely tokens, best first
	Logits  []float32 // (vocab) the model's own numbers; valid during the call only
}

// Ranked is a token with the natural logarithm of its probability.
type Ranked struct {
	ID      int32
	LogProb float64
}

// scoreRows is how many positions are scored at once; each costs a row of logits.
const scoreRows = 32

// Score runs ids through the model and calls each for every position in order
// with the top most likely tokens. It appends ids to the sequence.
func (s *Session) Score(ctx context.Context, ids []int32, top int, each func(Row) error) error {
	if n := len(s.tokens) + len(ids); n > s.e.Context {
		return &ContextError{n, s.e.Context}
	}
	vocab := s.e.Model.Config.NVocab
	for i, id := range ids {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("engine: token %d of the input is %d, the vocabulary has %d", i, id, vocab)
		}
	}
	told := s.stored // positions that each has seen
	s.tokens = append(s.tokens, ids...)
	for losses := 0; s.stored < len(s.tokens); {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(len(s.tokens)-s.stored, scoreRows)
		if err := s.next(n); err != nil {
			return err
		}
		s.in.Want = s.in.Want[:0]
		for i := range n {
			s.in.Want = append(s.in.Want, int32(i))
		}
		err := s.scoreChunk(n, top, func(r Row) error {
			if r.Pos < told {
				return nil
			}
			told = r.Pos + 1
			return each(r)
		})
		if errors.Is(err, ErrLost) && losses < maxLosses {
			losses++
			if err = s.e.recover(s.epoch, err); err == nil {
				err = errStale
			}
		}
		switch {
		case err == errStale:
		case err != nil:
			return err
		default:
			s.stored += n
		}
	}
	return nil
}

// scoreChunk runs the next n tokens and tells each about their rows.
func (s *Session) scoreChunk(n, top int, each func(Row) error) error {
	s.e.chain.mu.Lock()
	defer s.e.chain.mu.Unlock()
	if err := s.fresh(); err != nil {
		return err
	}
	out, err := s.e.chain.run(shape{tokens: scoreRows, logits: scoreRows}, s.in)
	if err != nil {
		return err
	}
	vocab := s.e.Model.Config.NVocab
	for i := range n {
		row := Row{Pos: s.stored + i, ID: s.in.Tokens[i], Next: -1, Logits: out.Result[i*vocab:][:vocab]}
		if row.Pos+1 < len(s.tokens) {
			row.Next = s.tokens[row.Pos+1]
		}
		if err := rank(&row, top); err != nil {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return nil
}

// rank fills the probabilities of a row from its logits, in float64.
func rank(row *Row, top int) error {
	best := model.Argmax(row.Logits)
	if best < 0 || math.IsInf(float64(row.Logits[best]), 0) {
		return fmt.Errorf("%w at position %d", ErrNaN, row.Pos)
	}
	most := float64(row.Logits[best])
	var sum float64
	for _, x := range row.Logits {
		if x == x {
			sum += math.Exp(float64(x) - most)
		}
	}
	logSum := most + math.Log(sum)
	if row.Next >= 0 {
		row.LogProb = float64(row.Logits[row.Next]) - logSum
	}
	row.Top = topOf(row.Logits, top)
	for i := range row.Top {
		row.Top[i].LogProb -= logSum
	}
	return nil
}

// topOf returns the n largest logits, equals by id.
func topOf(logits []float32, n int) []Ranked {
	byRank := func(a, b Ranked) int {
		return cmp.Or(cmp.Compare(b.LogProb, a.LogProb), cmp.Compare(a.ID, b.ID))
	}
	var out []Ranked
	for i, x := range logits {
		r := Ranked{int32(i), float64(x)}
		if x != x || len(out) == n && (n == 0 || byRank(r, out[n-1]) > 0) {
			continue
		}
		at, _ := slices.BinarySearchFunc(out, r, byRank)
		out = slices.Insert(out, at, r)
		out = out[:min(len(out), n)]
	}
	return out
}
