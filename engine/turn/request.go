package turn

import (
	"context"
	"errors"
	"fmt"

	"eclat/engine"
	"eclat/model/chat/parts"
	"eclat/model/grammar"
)

// Request asks for an answer.
type Request struct {
	engine.Request // Tokens are the prompt's; Until and Allow are the turn's own

	Opened  bool           // the prompt has opened the reasoning, see Prompt
	Tools   bool           // tools were offered: calls are told as such
	Stops   []string       // the answer ends before the first of these
	Grammar *grammar.Masks // what the answer keeps to, from behind the reasoning; nil: nothing
	Call    *Call          // a call of a tool instead of an answer, also from behind the reasoning; nil: as the model likes

	// Strict are all tools, where calls that the model makes of itself are to keep to the
	// arguments given here; nil: they are as the model writes them. ErrStrict says that the
	// model's calls do not begin with a token.
	Strict []Tool

	// Reasoning is how many tokens the model may think; 0 for as many as it likes, NoReasoning for none. Where
	// they are used up, its answer begins.
	Reasoning int
}

// NoReasoning is a Request.Reasoning: the answer begins at once.
const NoReasoning = -1

// Call demands a call of one of some tools.
type Call struct{ Tools []Tool }

// Tool is a tool that may be called.
type Tool struct {
	Name      string
	Arguments *grammar.Masks // of its JSON object
}

// Event is something that an answer tells.
type Event struct {
	ID          int32           // a generated token; −1 for none
	LogProb     float64         // of a request with LogProbs: natural logarithm of the token's probability
	Top         []engine.Ranked // and the most likely tokens in its place, best first
	Deltas      []parts.Delta   // what is certain with it, until the next call of Next
	Done, Total int             // where ID is −1 and there are no deltas: tokens of the prompt computed so far, and how many there are
}

// Answer is a request on its way. It belongs to one goroutine.
type Answer struct {
	m      *Model
	stream *engine.Stream
	reader *reader
	parts  parts.Collector
	ids    []int32
	think  int
	ended  bool
}

// Result is what came of a request.
type Result struct {
	engine.Stats
	Parts           parts.Parts
	IDs             []int32 // that were generated, those of a stop string among them
	Stopped         string  // the stop string that ended the answer; "" for none
	ReasoningTokens int
}

// Submit hands in a request; see engine.Engine.Submit. The answer must be read to its end,
// or cancelled by ctx.
func (m *Model) Submit(ctx context.Context, r Request) (*Answer, error) {
	if r.Request.Until != nil || r.Request.Allow != nil || r.Rows {
		return nil, errors.New("turn: a request has its own way to end and to choose, and no rows")
	}
	a := &Answer{m: m}
	var err error
	if a.reader, err = m.newReader(&r); err != nil {
		return nil, err
	}
	g, err := m.guide(&r)
	if err != nil {
		return nil, err
	}
	if len(r.Stops) > 0 || g.guides() {
		r.Request.Until = g.chosen
	}
	if g.guides() {
		r.Request.Allow = g.allow
	}
	a.stream, err = m.Engine.Submit(ctx, r.Request)
	return a, err
}

// Next waits for the next event and reports false at the end of the answer.
func (a *Answer) Next() (Event, bool) {
	if a.ended {
		return Event{}, false
	}
	ev, ok := a.stream.Next()
	if !ok {
		a.ended = true
		deltas := a.reader.end()
		a.add(deltas)
		return Event{ID: -1, Deltas: deltas}, len(deltas) > 0
	}
	if ev.ID < 0 {
		return Event{ID: -1, Done: ev.Done, Total: ev.Total}, true
	}
	if a.reader.parser.In(parts.Reasoning) {
		a.think++
	}
	a.ids = append(a.ids, ev.ID)
	deltas := a.reader.next(ev.ID)
	a.add(deltas)
	return Event{ID: ev.ID, LogProb: ev.LogProb, Top: ev.Top, Deltas: deltas}, true
}

func (a *Answer) add(deltas []parts.Delta) {
	for _, d := range deltas {
		a.parts.Add(d)
	}
}

// Result tells, after the end of the answer, what came of it.
func (a *Answer) Result() (Result, error) {
	st, err := a.stream.Result()
	if err != nil && len(a.ids) > 0 {
		err = fmt.Errorf("after %d tokens: %w", len(a.ids), err)
	}
	return Result{Stats: st, Parts: a.parts.Parts(), IDs: a.ids, Stopped: a.reader.found, ReasoningTokens: a.think}, err
}
