package openai

import (
	"context"
	"errors"
	"sync"

	"eclat/engine"
	"eclat/engine/turn"
	"eclat/model/chat/parts"
	"eclat/serve/core"
)

// errOneCall ends an answer whose one call is whole.
var errOneCall = errors.New("one call is enough")

// run submits the choices of some prompts, n of each, and tells what comes of them: each
// choice in a goroutine of its own, so that tell is called for several at once. begin is
// called once all are taken. The first error ends all choices; where tell's is errOneCall
// only its own choice ends, and not with an error.
func (a *ask) run(x *core.Exchange, m *core.Model, prompts [][]int32, begin func() error, tell func(i int, ev turn.Event) error) ([]result, error) {
	var answers []*core.Answer
	defer func() {
		for _, answer := range answers {
			answer.Drain() // all memory and places are free before the exchange ends
		}
	}()
	for _, tokens := range prompts {
		for i := range a.n {
			r := a.Request
			r.Tokens = tokens
			r.Seed += uint64(i) // the choices differ, and the first is as if alone
			answer, err := x.Submit(m, r)
			if err != nil {
				return nil, err
			}
			answers = append(answers, answer)
		}
	}
	if err := begin(); err != nil {
		return nil, err
	}
	results := make([]result, len(answers))
	faults := make([]error, len(answers))
	var all sync.WaitGroup
	for i, answer := range answers {
		all.Go(func() {
			results[i].ofPrompt = i%a.n == 0
			results[i].Result, faults[i] = read(answer, func(ev turn.Event) error { return tell(i, ev) })
			if faults[i] != nil {
				for _, other := range answers {
					other.Stop()
				}
			}
		})
	}
	all.Wait()
	var first error
	for _, err := range faults { // what failed, rather than what was cancelled for it
		if err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	return results, first
}

// read reads an answer to its end.
func read(answer *core.Answer, tell func(ev turn.Event) error) (turn.Result, error) {
	var fault error
	for ev, ok := answer.Next(); ok; ev, ok = answer.Next() {
		if fault == nil {
			if fault = tell(ev); fault != nil {
				answer.Stop()
			}
		}
	}
	res, err := answer.Result()
	switch {
	case errors.Is(fault, errOneCall):
		for i := range res.Parts { // what came after it was not told
			if res.Parts[i].Kind == parts.Call && res.Parts[i].Whole {
				res.Parts = res.Parts[:i+1]
				break
			}
		}
		return res, nil
	case fault != nil:
		return res, fault
	case err != nil:
		return res, err
	case res.Stop == engine.StopCancel:
		return res, context.Canceled
	}
	return res, nil
}

// oneCall cuts the deltas behind the first whole call, and reports whether one is there.
func oneCall(deltas []parts.Delta) ([]parts.Delta, bool) {
	for i, d := range deltas {
		if d.Kind == parts.CallEnd {
			return deltas[:i+1], true
		}
	}
	return deltas, false
}

// finish says why a choice ended, in this API's words.
func finish(r turn.Result) string {
	whole := len(r.Parts) > 0 && r.Parts[len(r.Parts)-1].Whole
	switch {
	case (r.Stop == engine.StopLength || r.Stop == engine.StopContext) && !whole:
		return "length"
	case len(r.Parts.Calls()) > 0:
		return "tool_calls"
	}
	return "stop"
}

// probs gathers the probabilities of tokens until it is known what they were part of: only
// those of the answer's text are told.
type probs struct {
	on      bool
	pending []tokenProb
}

// add takes up a token.
func (p *probs) add(m *core.Model, ev turn.Event) {
	if p.on && ev.ID >= 0 {
		p.pending = append(p.pending, tokenProbOf(m, ev))
	}
}

// take gives those of a piece of a kind, nil for any but answers.
func (p *probs) take(k parts.Kind) *logprobs {
	list := p.pending
	p.pending = nil
	if !p.on || k != parts.Answer {
		return nil
	}
	if list == nil {
		list = []tokenProb{}
	}
	return &logprobs{Content: list}
}
