package pda

import "sync/atomic"

// Program is a compiled grammar. A thread of a run is a state and a stack of frames; it
// starts at Start with an empty stack. Where it stands it may, all at once,
//
//	take a byte of one of the state's Edges and go on at To,
//	take one of the state's Acts,
//	and where Leave is set, pop a frame. A frame of a call goes on at its state Back. A
//	frame of a loop has one more turn behind it: it goes on at Again with that count
//	while that is less than Max, and at After once it is at least Min. With no frame
//	left the text is complete.
type Program struct {
	States []State
	Edges  []Edge
	Acts   []Act
	Loops  []Loop
	Rules  []string // names
	Start  int32
	Empty  bool // the empty text is complete too

	known []atomic.Pointer[[]lead] // by state; nil where nobody asked yet
}

// State is a state: its edges, ascending by byte, and acts lie in Program from the first
// index to before the second.
type State struct {
	Edge, EdgeEnd int32
	Act, ActEnd   int32
	Leave         bool
	Free          Free
	Rule          int32 // of Program.Rules
}

// Edge leads to state To by the bytes Lo…Hi.
type Edge struct {
	Lo, Hi byte
	To     int32
}

// Act pushes a frame and goes on at To: for a call (Loop < 0) a frame that leads Back, or
// none where Back < 0, since nothing would be left to do there; else one of the loop Loop.
type Act struct{ To, Back, Loop int32 }

// Loop is a counted repetition. Max < 0: no limit. Shut says that what is behind it begins
// with no character of Plain.
type Loop struct {
	Again, After, Min, Max int32
	Shut                   bool
}

// Next returns the state that byte c leads to from s, −1 for none.
func (p *Program) Next(s int32, c byte) int32 {
	st := &p.States[s]
	for _, e := range p.Edges[st.Edge:st.EdgeEnd] {
		if c <= e.Hi {
			if c < e.Lo {
				return -1
			}
			return e.To
		}
	}
	return -1
}

// Compile turns rules, of which the first is the root, into a program. The errors name the
// rule and are one of this package's.
func Compile(rules []Rule) (*Program, error) {
	c := &checker{rules: rules}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	b := &builder{checker: c, starts: make([]int32, len(rules)), tails: map[tail]int32{}}
	for i := range b.starts {
		b.starts[i] = -1
	}
	b.rule(0)
	if b.full {
		return nil, ErrTooLarge
	}
	d := &subset{builder: b, p: &Program{Empty: c.nullable[0]}}
	if err := d.leftRecursion(); err != nil {
		return nil, err
	}
	if err := d.run(); err != nil {
		return nil, err
	}
	d.p.known = make([]atomic.Pointer[[]lead], len(d.p.States))
	d.p.markFree()
	d.p.markShut()
	return d.p, d.countThreads()
}
