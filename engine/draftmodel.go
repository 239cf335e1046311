package engine

import "time"

// modelForgives is by how much more likely a draft model is thought to be right after each
// token that it was not asked for, so that it is tried again now and then.
const modelForgives = 0.005

// askModel has the draft model guess the next tokens of q, at most n: those that it would
// choose itself, by the same settings and random numbers. Its prefix cache keeps what it
// has read of q before. Where it fails there is no guess: nobody needs one.
func (o *owner) askModel(q *sequence, n int) {
	q.guess = byModel
	right := &q.lookup.right[byModel]
	if !o.pays(q, &n, o.asking) {
		q.guess = noGuess
		*right = min(1, *right+modelForgives)
		return
	}
	d := o.e.options.DraftModel
	if n = min(n, d.Context-len(q.tokens)); n <= 0 {
		q.guess = noGuess
		return
	}
	r := Request{Tokens: q.tokens, Caller: q.r.Caller, Share: -1, Settings: q.r.Settings, MaxTokens: n}
	start := time.Now()
	st, err := d.Generate(q.ctx, r, nil, func(id int32) { q.draft = append(q.draft, id) })
	if err != nil || len(q.draft) == 0 {
		q.draft, q.guess = q.draft[:0], noGuess
		*right -= *right / 8 // it ends the text, or does not work
		return
	}
	q.guessed = q.draft[0]
	smooth(&o.asking, (time.Since(start)-st.Compile).Seconds()/float64(len(q.draft)))
}
