package openai

import (
	"sync"

	"eclat/engine"
	"eclat/engine/turn"
	"eclat/model/chat/parts"
	"eclat/serve/core"
	"eclat/serve/field"
)

const maxPrompts = 64

// completions answers /v1/completions: the text, or tokens, that follow one or several
// prompts. The model answers in plain text: nothing is taken for a call or reasoning.
func completions(x *core.Exchange) error {
	o, m, err := begin(x)
	if err != nil {
		return err
	}
	a := readAsk(o, m)
	if n := o.Value("max_tokens"); n.Null() && a.MaxTokens < 0 && !o.Has("n_predict") && !o.Has("max_completion_tokens") {
		a.MaxTokens = 16 // as OpenAI has it
	}
	echo := o.Bool("echo", false)
	if k := o.Int("logprobs", -1, 0, maxTop); k >= 0 {
		a.LogProbs, a.Top = true, k
	}
	a.Grammar = readFormat(o, m)
	suffix := o.Text("suffix", maxText)
	o.Only("best_of", "1", "ask for n choices")
	prompts := readPrompts(o, m)
	if suffix != "" {
		prompts = fillMiddle(o, m, prompts, suffix)
	}
	if err := o.End(); err != nil {
		return err
	}
	return sendText(x, m.Text(), &a, prompts, echo)
}

// readPrompts reads the prompt: a text, ids, or an array of either.
func readPrompts(o *field.Object, m *core.Model) (prompts [][]int32) {
	v := o.Value("prompt")
	text := func(v field.Value) {
		s, err := v.Text(maxText)
		o.Fail(err)
		prompts = append(prompts, m.Engine.Prompt(s, true))
	}
	if v.Null() {
		o.Failf("prompt", "is missing")
		return nil
	}
	if v.Is('"') {
		text(v)
		return prompts
	}
	switch first := v.First(); {
	case !first.Is('"') && !first.Is('['):
		prompts = append(prompts, readIDs(o, v, m))
	default:
		for _, e := range o.List("prompt", maxPrompts) {
			if e.Is('"') {
				text(e)
			} else {
				prompts = append(prompts, readIDs(o, e, m))
			}
		}
	}
	for _, p := range prompts {
		if len(p) == 0 {
			o.Failf("prompt", "is empty")
		}
	}
	return prompts
}

type textChoice struct {
	Text     string     `json:"text"`
	Index    int        `json:"index"`
	LogProbs *textProbs `json:"logprobs"`
	Finish   *string    `json:"finish_reason"`
	Tokens   []int32    `json:"tokens,omitempty"`
	Proof    *proof     `json:"proof,omitempty"`
}

// textProbs are the probabilities of tokens as this older path has them.
type textProbs struct {
	Tokens  []string             `json:"tokens"`
	Probs   []*float64           `json:"token_logprobs"`
	Top     []map[string]float64 `json:"top_logprobs"`
	Offsets []int                `json:"text_offset"`
}

type textAnswer struct {
	head
	Choices []textChoice `json:"choices"`
	Usage   *usage       `json:"usage,omitempty"`
	Timings *timings     `json:"timings,omitempty"`
}

// add takes up tokens; at is the offset of the first in the text.
func (p *textProbs) add(list []tokenProb, at int) int {
	for _, t := range list {
		p.Tokens = append(p.Tokens, t.Token)
		lp := t.LogProb
		p.Probs = append(p.Probs, &lp)
		p.Top = append(p.Top, likeliest(t.Top))
		p.Offsets = append(p.Offsets, at)
		at += len([]rune(t.Token))
	}
	return at
}

// likeliest are probabilities by token, of two that look alike the likelier one's.
func likeliest(list []topProb) map[string]float64 {
	top := map[string]float64{}
	for _, o := range list {
		if _, is := top[o.Token]; !is {
			top[o.Token] = o.LogProb
		}
	}
	return top
}

// score fills in the probabilities of a prompt's tokens, but of the first, before which
// nothing stands.
func (p *textProbs) score(x *core.Exchange, m *core.Model, ids []int32, top int) error {
	return m.Engine.Score(x.Context(), ids, engine.ScoreOptions{Top: top, Caller: x.Caller}, func(r engine.Row) error {
		if r.Next < 0 {
			return nil
		}
		var list []topProb
		for _, o := range r.Top {
			list = append(list, probOf(m, o.ID, o.LogProb))
		}
		lp := max(r.LogProb, -9999) // JSON has no −∞
		p.Probs[r.Pos+1], p.Top[r.Pos+1] = &lp, likeliest(list)
		return nil
	})
}

// echoed is a prompt's text, with its tokens where probabilities are asked for.
func echoed(m *core.Model, ids []int32, probs *textProbs) string {
	text, at := "", 0
	var b []byte
	t := m.Engine.Tokenizer
	dec := t.NewDecoder(false)
	for _, id := range ids {
		text += dec.Next(id)
		b = t.Append(b[:0], id, true)
		if probs != nil {
			probs.Tokens = append(probs.Tokens, string([]rune(string(b))))
			probs.Probs, probs.Top = append(probs.Probs, nil), append(probs.Top, nil)
			probs.Offsets = append(probs.Offsets, at)
			at = len([]rune(text))
		}
	}
	return text + dec.Flush()
}

// sendText answers, whole or in chunks.
func sendText(x *core.Exchange, m *core.Model, a *ask, prompts [][]int32, echo bool) error {
	h := newHead("cmpl-", "text_completion", m, x.Now())
	choices := make([]textChoice, len(prompts)*a.n)
	at := make([]int, len(choices)) // characters told
	waiting := make([]probs, len(choices))
	for i := range choices {
		c := &choices[i]
		c.Index, waiting[i].on = i, a.LogProbs
		if a.LogProbs {
			c.LogProbs = &textProbs{Tokens: []string{}, Probs: []*float64{}, Top: []map[string]float64{}, Offsets: []int{}}
		}
		if echo {
			c.Text = echoed(m, prompts[i/a.n], c.LogProbs)
			at[i] = len([]rune(c.Text))
		}
		if echo && a.LogProbs {
			if err := c.LogProbs.score(x, m, prompts[i/a.n], a.Top); err != nil {
				return err
			}
		}
	}
	var mu sync.Mutex
	begin := func() error {
		if !a.stream {
			return nil
		}
		x.Stream()
		for _, c := range choices {
			if !echo {
				break
			}
			if err := x.Stream().Data(textAnswer{head: h, Choices: []textChoice{c}}); err != nil {
				return err
			}
		}
		return nil
	}
	results, err := a.run(x, m, prompts, begin, func(i int, ev turn.Event) error {
		waiting[i].add(m, ev)
		for _, d := range ev.Deltas {
			c := textChoice{Text: d.Text, Index: i}
			if l := waiting[i].take(parts.Answer); l != nil {
				c.LogProbs = &textProbs{}
				c.LogProbs.add(l.Content, at[i])
				choices[i].LogProbs.add(l.Content, at[i])
			}
			at[i] += len([]rune(d.Text))
			if !a.stream {
				choices[i].Text += d.Text
				continue
			}
			mu.Lock()
			err := x.Stream().Data(textAnswer{head: h, Choices: []textChoice{c}})
			mu.Unlock()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	u, t := usageOf(results), timingsOf(results[0].Stats)
	for i, r := range results {
		why := finish(r.Result)
		choices[i].Finish, choices[i].Proof = &why, proofOf(r.Proof)
		if a.tokens {
			choices[i].Tokens = r.IDs
		}
		if !a.stream {
			continue
		}
		choices[i].Text, choices[i].LogProbs = "", nil
		last := textAnswer{head: h, Choices: choices[i : i+1]}
		if i == len(results)-1 {
			last.Timings = &t
		}
		if err := x.Stream().Data(last); err != nil {
			return err
		}
	}
	if !a.stream {
		return x.JSON(textAnswer{head: h, Choices: choices, Usage: &u, Timings: &t})
	}
	if a.usage {
		if err := x.Stream().Data(textAnswer{head: h, Choices: []textChoice{}, Usage: &u}); err != nil {
			return err
		}
	}
	return x.Stream().Text("[DONE]")
}
