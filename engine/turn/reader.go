package turn

import (
	"eclat/model/chat/parts"
	"eclat/model/chat/stop"
)

// reader turns the tokens of an answer into deltas, up to a stop string in the answer's
// text; reasoning and calls have none.
type reader struct {
	parser *parts.Parser
	stops  *stop.Matcher
	names  []string // of stops
	found  string   // the stop string that ended the answer; "" for none so far
	out    []parts.Delta
}

func (m *Model) newReader(r *Request) (*reader, error) {
	stops, err := stop.New(r.Stops...)
	if err != nil {
		return nil, err
	}
	return &reader{
		parser: parts.New(m.Format, m.Engine.Tokenizer, parts.Options{Tools: r.Tools, Reasoning: r.Opened}),
		stops:  stops, names: r.Stops,
	}, nil
}

// next returns what is certain with a token, valid until the next call.
func (w *reader) next(id int32) []parts.Delta {
	w.out = w.out[:0]
	w.take(w.parser.Next(id))
	return w.out
}

// end returns what was held back.
func (w *reader) end() []parts.Delta {
	w.out = w.out[:0]
	if w.found == "" {
		w.take(w.parser.End())
		w.flush()
	}
	return w.out
}

func (w *reader) take(deltas []parts.Delta) {
	for _, d := range deltas {
		if w.found != "" {
			return
		}
		if d.Kind != parts.Answer {
			w.flush()
			w.out = append(w.out, d)
			continue
		}
		text, which, _ := w.stops.Next([]byte(d.Text))
		w.answer(text)
		if which >= 0 {
			w.found = w.names[which]
		}
	}
}

func (w *reader) flush() { w.answer(w.stops.Flush()) }

func (w *reader) answer(text string) {
	if text != "" {
		w.out = append(w.out, parts.Delta{Kind: parts.Answer, Text: text})
	}
}
