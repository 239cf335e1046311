package engine

import (
	"context"
	"fmt"

	"eclat/model"
)

// Embed returns the embedding of a text's tokens, (n_embd), of length 1: the rows that the
// last norm leaves of them, pooled as [model.Pooler] says. It is the same on every device
// and whatever else is computed beside it. caller and share are as in Request.
func (e *Engine) Embed(ctx context.Context, ids []int32, p model.Pooling, caller string, share int) ([]float32, Stats, error) {
	if p == model.NoPooling {
		return nil, Stats{}, fmt.Errorf("%w: %q says no pooling", ErrNoPooling, e.Model.Config.Name)
	}
	s, err := e.Submit(ctx, Request{Tokens: ids, Embed: p, Caller: caller, Share: share})
	if err != nil {
		return nil, Stats{}, err
	}
	for _, ok := s.Next(); ok; _, ok = s.Next() {
	}
	st, err := s.Result()
	if err == nil {
		err = stopped(ctx, st)
	}
	return st.Embedding, st, err
}

// TextTokens returns the tokens of a whole text, as a model embeds it: with the tokens
// that it wants before and after. Control tokens spelt out in it count as text.
func (e *Engine) TextTokens(text string) []int32 {
	ids := e.Prompt(text, false)
	if eos, ok := e.Tokenizer.EOS(); ok && e.Tokenizer.AddEOS() {
		ids = append(ids, eos)
	}
	return ids
}

// pooled says which of the next n tokens of q run, and how many of them are before the
// first whose row is wanted. What was pooled before q gave way is not wanted again.
func (q *sequence) pooled(n int) (before, run int) {
	first, end := q.r.Embed.Rows(len(q.r.Tokens))
	run = min(n, end-q.stored)
	return min(run, max(0, first+q.pooler.Rows()-q.stored)), run
}

// pool adds the rows that a run computed of a sequence, and
// ends it after the last.
func (o *owner) pool(p part, out *model.Outputs) {
	q := p.q
	cols := o.e.Model.Config.NEmbd
	for i := range p.wants {
		q.pooler.Add(out.Rows[(p.want+i)*cols:][:cols])
	}
	if _, end := q.r.Embed.Rows(len(q.r.Tokens)); q.stored < end {
		return
	}
	var finite bool
	if q.stats.Embedding, finite = q.pooler.Vector(); !finite {
		o.end(q, "", o.notFinite(q.ctx, q.stored-1))
		return
	}
	o.end(q, StopLength, nil)
}
