package parts

import "strings"

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
}

// Collector adds deltas up to the parts of an answer. The zero value is ready.
type Collector struct {
	parts []Part
	text  []byte // of the last part: its text or arguments
}

// Add takes up a delta. A call's deltas come one after the other, with nothing between.
func (c *Collector) Add(d Delta) {
	switch d.Kind {
	case Answer, Reasoning:
		if n := len(c.parts); n == 0 || c.parts[n-1].Kind != d.Kind {
			c.next(Part{Kind: d.Kind})
		}
		c.text = append(c.text, d.Text...)
	case Call:
		c.next(Part{Kind: Call, Name: d.Name, ID: d.ID})
	case Arguments:
		c.text = append(c.text, d.Text...)
	case CallEnd:
		c.parts[len(c.parts)-1].Whole = true
	case Revoked:
		c.parts, c.text = c.parts[:len(c.parts)-1], c.text[:0]
		if n := len(c.parts); n > 0 { // the part before is the last again
			c.text = append(append(c.text, c.parts[n-1].Text...), c.parts[n-1].Arguments...)
		}
		c.Add(Delta{Kind: Answer, Text: d.Text})
	}
}

// next begins a part.
func (c *Collector) next(p Part) {
	c.settle()
	c.parts, c.text = append(c.parts, p), c.text[:0]
}

// settle gives the last part its text.
func (c *Collector) settle() {
	if len(c.parts) == 0 {
		return
	}
	if last := &c.parts[len(c.parts)-1]; last.Kind == Call {
		last.Arguments = string(c.text)
	} else {
		last.Text = string(c.text)
	}
}

// Parts are the pieces of the answer so far, in order; neighbours differ in kind, or are
// calls. They are valid until the next Add.
func (c *Collector) Parts() Parts {
	c.settle()
	return c.parts
}

// Parts are the pieces of an answer in order.
type Parts []Part

// Text is all text of a kind.
func (p Parts) Text(k Kind) string {
	var b strings.Builder
	for i := range p {
		if p[i].Kind == k {
			b.WriteString(p[i].Text)
		}
	}
	return b.String()
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
