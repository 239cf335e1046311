package engine

import (
	"context"
	"slices"
	"time"

	"eclat/model"
	"eclat/model/sample"
)

// sequence is a request that the scheduler works on.
type sequence struct {
	ctx    context.Context
	r      Request
	stream *Stream

	tokens []int32   // the prompt and what was generated; the first stored of them are in memory
	stored int       //
	units  [][]int32 // by pool: the block table, or the one slot
	shared *node     // the last page of the index that its first pages are, its own ones among them; nil for none
	pages  int       // how many pages shared is
	tail   *node     // a page of the index that is not full and that q reads, and will write to; nil for none

	marks []int // whole pages of tokens after which its state is worth a snapshot: the end of what is shared, and where others branch off

	leader *sequence // one that computes the same prompt; this one waits for it up to
	common int       // so many tokens

	draft   []int32 // a guess at the tokens that follow, see speculate.go
	guessed int32   // the first of it, also where it did not pay to try it
	guess   kind    // where it comes from
	flown   kind    // where that of the windows on their way comes from
	lookup  *lookup // of tokens; nil where there was no need
	tried   bool    // was is held while the guess runs: q has a state
	was     standing
	ran     int // to where the state ran then; −1 where it did not yet

	submitted, admitted, first, last time.Time
	compiled                         time.Duration // of the engine when admitted
	firstCompiled                    time.Duration // and when the first token was chosen
	stats                            Stats
	checked                          int           // of the chain when admitted
	unsure                           []unsure      // tokens that are chosen and not told yet, see check.go
	sure                             standpoint    // what has been told
	prover                           *prover       // nil where no proof is asked for
	pooler                           *model.Pooler // of a text that is embedded; else nil
	active                           bool          // admitted; neither waiting nor ended
	unhook                           func() bool   // from ctx, at the end
}

// left is how many tokens have to run before the next is chosen.
func (q *sequence) left() int { return len(q.tokens) - q.stored }

// answering reports whether the sequence has read its prompt.
func (q *sequence) answering() bool { return q.left() == 1 && len(q.tokens) > len(q.r.Tokens) }

// mark asks for a snapshot of the state after the first n tokens.
func (q *sequence) mark(n int) {
	if n > q.stored && !slices.Contains(q.marks, n) {
		q.marks = append(q.marks, n)
	}
}

// marked reports whether a snapshot is asked for where q stands.
func (q *sequence) marked() bool { return slices.Contains(q.marks, q.stored) }

// untilMark is how many tokens may run before a snapshot is due.
func (q *sequence) untilMark() int {
	n := 1 << 30
	for _, m := range q.marks {
		if m > q.stored {
			n = min(n, m-q.stored)
		}
	}
	return n
}

// onHost reports whether the token is chosen here, from logits that are read back.
func (q *sequence) onHost() bool {
	return q.prover != nil || q.r.LogProbs || q.r.Allow != nil || q.r.OnHost()
}

// params is how the backend samples.
func (q *sequence) params() sample.Params {
	p := q.r.Params
	p.Logits = q.onHost() || q.r.Rows
	return p
}

// room is how many rows of the prompt may run now without waiting for the reader.
func (q *sequence) room() int {
	if q.r.Rows {
		if q.stored+1 <= q.r.From { // rows before From are not told
			return min(q.r.From-q.stored, 1<<30) + len(q.stream.rows)
		}
		return len(q.stream.rows)
	}
	if len(q.stream.events)+len(q.unsure) >= cap(q.stream.events)-1 {
		return 0
	}
	return 1 << 30
}

// tell sends an event that the reader may miss.
func (q *sequence) tell(ev Event) {
	if len(q.stream.events) < cap(q.stream.events)/2 {
		q.stream.events <- ev
	}
}

// stop returns why generation ends after id was chosen and appended; "" where it
// goes on.
func (q *sequence) stop(context int, checking bool) StopReason {
	switch {
	case !checking && q.r.Until != nil && q.r.Until(q.tokens[len(q.tokens)-1]): // else it is asked when the token is told
		return StopText
	case q.r.MaxTokens >= 0 && q.stats.GeneratedTokens >= q.r.MaxTokens:
		return StopLength
	case len(q.tokens) > context:
		return StopContext
	}
	return ""
}
