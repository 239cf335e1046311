package parts

import "slices"

// Kind says what a delta or a part is.
type Kind uint8

const (
	Answer    Kind = iota // text for the user
	Reasoning             // text that the model thinks by
	Call                  // a call of a tool; as a delta, its beginning
	Arguments             // delta: the next piece of a call's arguments, which are a JSON object
	CallEnd               // delta: the call is whole, its arguments are sound JSON
	Revoked               // delta: the call is none after all; Text is all of it, for the answer
)

// Delta is what a parser has to tell of an answer.
type Delta struct {
	Kind  Kind
	Text  string // Answer, Reasoning, Arguments, Revoked: complete characters
	Index int    // of the call, from 0; after Revoked the number is not used again
	Name  string // Call: of the tool
	ID    string // Call: the model's own name for the call, "" for none
}

// Part is a piece of an answer: of Kind Answer or Reasoning its Text, of Kind Call the
// call.
type Part struct {
	Kind      Kind
	Text      string
	Name, ID  string
	Arguments string // a JSON object
	Whole     bool   // the call has ended
	index     int
}

// Parts are the pieces of an answer in order; neighbours differ in kind, or are calls.
type Parts []Part

// Add takes up a delta.
func (p *Parts) Add(d Delta) {
	find := func() int {
		return slices.IndexFunc(*p, func(part Part) bool { return part.Kind == Call && part.index == d.Index })
	}
	switch d.Kind {
	case Answer, Reasoning:
		if n := len(*p); n > 0 && (*p)[n-1].Kind == d.Kind {
			(*p)[n-1].Text += d.Text
			return
		}
		*p = append(*p, Part{Kind: d.Kind, Text: d.Text})
	case Call:
		*p = append(*p, Part{Kind: Call, Name: d.Name, ID: d.ID, index: d.Index})
	case Arguments:
		if i := find(); i >= 0 {
			(*p)[i].Arguments += d.Text
		}
	case CallEnd:
		if i := find(); i >= 0 {
			(*p)[i].Whole = true
		}
	case Revoked:
		if i := find(); i >= 0 {
			*p = slices.Delete(*p, i, i+1) // it is the last: text comes after it
		}
		p.Add(Delta{Kind: Answer, Text: d.Text})
	}
}

// Text is all text of a kind.
func (p Parts) Text(k Kind) (text string) {
	for i := range p {
		if p[i].Kind == k {
			text += p[i].Text
		}
	}
	return text
}

// Calls are those that are whole.
func (p Parts) Calls() (calls []Part) {
	for _, part := range p {
		if part.Kind == Call && part.Whole {
			calls = append(calls, part)
		}
	}
	return calls
}
