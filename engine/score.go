package engine

import (
	"cmp"
	"context"
	"slices"

	"eclat/engine/stats"
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

// ScoreOptions says what Score tells.
type ScoreOptions struct {
	Top    int    // how many of the most likely tokens
	From   int    // the first position that is told
	Caller string // see Request
	Share  int    // see Request: how many of the first tokens may be shared; none from From on

	Progress func(done, total int) // told how many tokens were run; may be nil
}

// Score runs ids through the model and calls each, in the caller's goroutine, for
// every position in order. An error of each ends it and is returned.
func (e *Engine) Score(ctx context.Context, ids []int32, o ScoreOptions, each func(Row) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := e.Submit(inner, Request{Tokens: ids, Caller: o.Caller, Share: o.Share, Rows: true, From: o.From})
	if err != nil {
		return err
	}
	var fault error
	for ev, ok := s.Next(); ok; ev, ok = s.Next() {
		if ev.Logits == nil && o.Progress != nil {
			o.Progress(ev.Done, ev.Total)
		}
		if ev.Logits == nil || fault != nil {
			continue
		}
		row := Row{Pos: ev.Pos, ID: ids[ev.Pos], Next: -1, Logits: ev.Logits}
		if row.Pos+1 < len(ids) {
			row.Next = ids[row.Pos+1]
		}
		if rank(&row, o.Top) {
			fault = each(row)
		} else {
			fault = e.NotFinite(ctx, row.Pos)
		}
		if fault != nil {
			cancel()
		}
	}
	st, err := s.Result()
	return cmp.Or(fault, err, stopped(ctx, st))
}

// stopped is ctx's error where it ended a request.
func stopped(ctx context.Context, st Stats) error {
	if st.Stop == StopCancel {
		return ctx.Err()
	}
	return nil
}

// rank fills the probabilities of a row from its logits, in float64; false where one of
// them is not finite.
func rank(row *Row, top int) bool {
	logSum, ok := stats.LogSumExp(row.Logits)
	if !ok {
		return false
	}
	if row.Next >= 0 {
		row.LogProb = float64(row.Logits[row.Next]) - logSum
	}
	row.Top = topOf(row.Logits, top)
	for i := range row.Top {
		row.Top[i].LogProb -= logSum
	}
	return true
}

// topOf returns the n largest logits, equals by id.
func topOf(logits []float32, n int) []Ranked {
	byRank := func(a, b Ranked) int {
		return cmp.Or(cmp.Compare(b.LogProb, a.LogProb), cmp.Compare(a.ID, b.ID))
	}
	var out []Ranked
	for i, x := range logits {
		r := Ranked{int32(i), float64(x)}
		if len(out) == n && (n == 0 || byRank(r, out[n-1]) > 0) {
			continue
		}
		at, _ := slices.BinarySearchFunc(out, r, byRank)
		out = slices.Insert(out, at, r)
		out = out[:min(len(out), n)]
	}
	return out
}
