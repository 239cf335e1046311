package openai

import (
	"sync"

	"eclat/engine/turn"
	"eclat/model/chat/parts"
	"eclat/serve/core"
)

// sendChat answers a conversation, whole or in chunks.
func sendChat(x *core.Exchange, m *core.Model, a *ask) error {
	if a.stream {
		return streamChat(x, m, a)
	}
	out := chatAnswer{head: newHead("chatcmpl-", "chat.completion", m, x.Now())}
	told := make([]logprobs, a.n)
	waiting := make([]probs, a.n)
	results, err := a.run(x, m, [][]int32{a.Tokens}, func() error { return nil }, func(i int, ev turn.Event) error {
		p := &waiting[i]
		p.on = a.LogProbs
		p.add(m, ev)
		deltas, enough := ev.Deltas, false
		if a.one {
			deltas, enough = oneCall(deltas)
		}
		for _, d := range deltas {
			if l := p.take(d.Kind); l != nil {
				told[i].Content = append(told[i].Content, l.Content...)
			}
		}
		if enough {
			return errOneCall
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, r := range results {
		c := chatChoice{Index: i, Message: messageOf(r.Parts), Finish: finish(r.Result), Proof: proofOf(r.Proof)}
		if a.LogProbs {
			c.LogProbs = &told[i]
			if c.LogProbs.Content == nil {
				c.LogProbs.Content = []tokenProb{}
			}
		}
		if a.tokens {
			c.Tokens = r.IDs
		}
		out.Choices = append(out.Choices, c)
	}
	out.Usage, out.Timings = usageOf(results), timingsOf(results[0].Stats)
	return x.JSON(out)
}

// messageOf is an answer's parts as a message. Where there are calls and no text, the
// content is null.
func messageOf(p parts.Parts) message {
	msg := message{Role: "assistant", Reasoning: p.Text(parts.Reasoning)}
	for _, call := range p.Calls() {
		msg.ToolCalls = append(msg.ToolCalls, toolCall{ID: callID(call.ID), Type: "function", Function: function{call.Name, call.Arguments}})
	}
	if text := p.Text(parts.Answer); text != "" || len(msg.ToolCalls) == 0 {
		msg.Content = &text
	}
	return msg
}

// callID is a call's name: the model's own, or a new one.
func callID(own string) string {
	if own != "" {
		return own
	}
	return core.NewID("call_")
}

// streamChat answers in chunks: the role first, then pieces, then why it ended.
func streamChat(x *core.Exchange, m *core.Model, a *ask) error {
	h := newHead("chatcmpl-", "chat.completion.chunk", m, x.Now())
	var mu sync.Mutex // choices come at once
	send := func(c ...chunkChoice) error {
		mu.Lock()
		defer mu.Unlock()
		return x.Stream().Data(chunk{head: h, Choices: c})
	}
	begin := func() error {
		for i := range a.n {
			if err := send(chunkChoice{Index: i, Delta: delta{Role: "assistant", Content: new(string)}}); err != nil {
				return err
			}
		}
		return nil
	}
	waiting := make([]probs, a.n)
	results, err := a.run(x, m, [][]int32{a.Tokens}, begin, func(i int, ev turn.Event) error {
		p := &waiting[i]
		p.on = a.LogProbs
		p.add(m, ev)
		if ev.Total > 0 {
			mu.Lock()
			defer mu.Unlock()
			if !a.progress || i > 0 {
				return x.Stream().Alive()
			}
			return x.Stream().Data(chunk{head: h, Choices: []chunkChoice{}, Progress: &progress{Total: ev.Total, Processed: ev.Done, TimeMS: int(x.Took().Milliseconds())}})
		}
		deltas, enough := ev.Deltas, false
		if a.one {
			deltas, enough = oneCall(deltas)
		}
		for _, d := range deltas {
			c, some := piece(d)
			if !some {
				continue
			}
			c.Index, c.LogProbs = i, p.take(d.Kind)
			if err := send(c); err != nil {
				return err
			}
		}
		if enough {
			return errOneCall
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, r := range results {
		why := finish(r.Result)
		c := chunkChoice{Index: i, Finish: &why, Proof: proofOf(r.Proof)}
		if a.tokens {
			c.Tokens = r.IDs
		}
		last := chunk{head: h, Choices: []chunkChoice{c}}
		if i == len(results)-1 {
			t := timingsOf(results[0].Stats)
			last.Timings = &t
		}
		if err := x.Stream().Data(last); err != nil {
			return err
		}
	}
	if a.usage {
		u := usageOf(results)
		if err := x.Stream().Data(chunk{head: h, Choices: []chunkChoice{}, Usage: &u}); err != nil {
			return err
		}
	}
	return x.Stream().Text("[DONE]")
}

// piece is a delta as this API tells it; false for one that it has no word for.
func piece(d parts.Delta) (c chunkChoice, some bool) {
	switch d.Kind {
	case parts.Answer, parts.Revoked: // what was no call after all is text
		c.Delta.Content = &d.Text
	case parts.Reasoning:
		c.Delta.Reasoning = &d.Text
	case parts.Call:
		c.Delta.ToolCalls = []toolCall{{Index: &d.Index, ID: callID(d.ID), Type: "function", Function: function{Name: d.Name}}}
	case parts.Arguments:
		c.Delta.ToolCalls = []toolCall{{Index: &d.Index, Function: function{Arguments: d.Text}}}
	default:
		return c, false
	}
	return c, true
}
