package pda

import "eclat/model/grammar/regular"

// The nondeterministic automaton: nodes with lists of edges.
type edgeKind uint8

const (
	empty edgeKind = iota // to, taking nothing
	bytes                 // to, by a byte lo…hi
	call                  // the rule what, then to
	enter                 // the loop what
	leave                 // the end of a rule or of a loop's body
)

type edge struct {
	kind   edgeKind
	lo, hi byte
	what   int32
	to     int32
	next   int32 // the node's next edge, −1 at the end
}

// loop is a counted repetition: nodes where the body begins the first time, where it begins
// again, and what follows.
type loop struct{ first, again, after, min, max int32 }

type builder struct {
	*checker
	first  []int32 // a node's first edge
	edges  []edge
	starts []int32 // a rule's start, −1 where it is not built
	loops  []loop
	tails  map[tail]int32
	full   bool // more than maxNodes
}

// tail is a node with one edge by bytes; equal ones are built once.
type tail struct {
	span
	to int32
}

func (b *builder) node() int32 {
	if len(b.first) >= maxNodes || len(b.edges) >= 2*maxNodes {
		b.full = true
		return 0
	}
	b.first = append(b.first, -1)
	return int32(len(b.first) - 1)
}

// edge adds e to from. A node of −1 is one that nothing reaches.
func (b *builder) edge(from int32, e edge) {
	if from < 0 || e.to < 0 || b.full {
		return
	}
	e.next = b.first[from]
	b.first[from] = int32(len(b.edges))
	b.edges = append(b.edges, e)
}

func (b *builder) move(from, to int32) { b.edge(from, edge{to: to}) }

// rule builds rule r unless it is there.
func (b *builder) rule(r int) {
	if b.starts[r] >= 0 {
		return
	}
	start := b.node()
	b.starts[r] = start
	_, end := b.build(b.rules[r].Expr, start, -1)
	b.edge(end, edge{kind: leave})
}

// build appends e behind two nodes at once: in0, where nothing has been taken since the
// rule or the body of the loop began, and in1, where something has. out0 and out1 are the
// same behind e. So whatever leaves at out1 has taken a byte, and out0 is the caller's to
// follow or to drop. Every part that takes a byte is built once, whichever way it is reached.
func (b *builder) build(e *Expr, in0, in1 int32) (out0, out1 int32) {
	if b.full {
		return -1, -1
	}
	switch e.Op {
	case Seq:
		for _, k := range e.Kids {
			in0, in1 = b.build(k, in0, in1)
		}
		return in0, in1
	case Alt:
		out1, out0 = b.node(), -1
		for _, k := range e.Kids {
			k0, k1 := b.build(k, in0, in1)
			b.move(k1, out1)
			out0 = max(out0, k0) // an empty alternative ends where it began
		}
		return out0, out1
	case Repeat:
		return b.repeat(e, in0, in1)
	case List:
		return b.list(e, in0, in1)
	case Ref:
		r := e.Rule
		if b.inline[r] {
			return b.build(b.rules[r].Expr, in0, in1)
		}
		b.rule(r)
		at := b.join(in0, in1)
		out1 = b.node()
		b.edge(at, edge{kind: call, what: int32(r), to: out1})
		if b.nullable[r] {
			b.move(in1, out1)
			return in0, out1
		}
		return -1, out1
	case Auto, JSON:
		return b.auto(e, in0, in1)
	}
	// Text or one of Chars.
	if e.Op == Text && e.Text == "" {
		return in0, in1
	}
	at, to := b.join(in0, in1), b.node()
	if e.Op == Chars {
		spell(e.Set, false, func(s []span) { b.spans(at, s, to) })
		return -1, to
	}
	for i := range len(e.Text) {
		if i > 0 {
			at, to = to, b.node()
		}
		b.edge(at, edge{kind: bytes, lo: e.Text[i], hi: e.Text[i], to: to})
	}
	return -1, to
}

// join returns one node reached from both.
func (b *builder) join(in0, in1 int32) int32 {
	if in0 < 0 {
		return in1
	}
	at := b.node()
	b.move(in0, at)
	b.move(in1, at)
	return at
}

// spans adds a way of several bytes, its tail shared with all ways to the same node.
func (b *builder) spans(from int32, s []span, to int32) {
	for i := len(s) - 1; i > 0; i-- {
		key := tail{s[i], to}
		at, ok := b.tails[key]
		if !ok {
			at = b.node()
			b.edge(at, edge{kind: bytes, lo: s[i].lo, hi: s[i].hi, to: to})
			b.tails[key] = at
		}
		to = at
	}
	b.edge(from, edge{kind: bytes, lo: s[0].lo, hi: s[0].hi, to: to})
}

// auto copies the DFA. Its start is built twice where it is final, so that the way in0
// cannot end there.
func (b *builder) auto(e *Expr, in0, in1 int32) (out0, out1 int32) {
	nodes := make([]int32, len(e.DFA.Edges))
	for i := range nodes {
		nodes[i] = b.node()
	}
	out0, out1 = -1, b.node()
	copyEdges := func(from int32, state int) {
		for _, x := range e.DFA.Edges[state] {
			spell(regular.Set{x.Range}, e.Op == JSON, func(s []span) { b.spans(from, s, nodes[x.To]) })
		}
	}
	for i, at := range nodes {
		copyEdges(at, i)
		if e.DFA.Final[i] {
			b.move(at, out1)
		}
	}
	b.move(in1, nodes[0])
	if e.DFA.Final[0] && in0 >= 0 {
		at := b.node()
		copyEdges(at, 0)
		b.move(in0, at)
		return in0, out1
	}
	b.move(in0, nodes[0])
	return out0, out1
}

func (b *builder) repeat(e *Expr, in0, in1 int32) (out0, out1 int32) {
	x, least, most := e.Kids[0], e.Min, e.Max
	if b.empty(x) {
		least = 0 // a turn that takes nothing is no turn
	}
	if most == 0 {
		return in0, in1
	}
	if most == 1 || most > 0 && b.unrolls(e, b.weigh(x)) {
		out0, out1 = -1, b.node()
		for i := range most {
			if i >= least {
				b.move(in1, out1)
				out0 = max(out0, in0)
			}
			in0, in1 = b.build(x, in0, in1)
		}
		b.move(in1, out1)
		return max(out0, in0), out1
	}
	if most < 0 && b.unrolls(e, b.weigh(x)) {
		for range least - 1 {
			in0, in1 = b.build(x, in0, in1)
		}
		least = min(least, 1)
	}
	out0, out1 = -1, b.node()
	if least == 0 {
		out0 = in0
		b.move(in1, out1)
	}
	body, end := b.node(), b.node()
	_, x1 := b.build(x, body, -1)
	b.move(x1, end)
	again := end
	if most >= 0 || least > 1 {
		again = b.node()
	}
	if e.Sep != nil {
		s0, s1 := b.build(e.Sep, again, -1)
		b.move(s0, body)
		b.move(s1, body)
	} else {
		b.move(again, body)
	}
	if again == end { // nothing to count
		b.move(in0, body)
		b.move(in1, body)
		b.move(end, out1)
		return out0, out1
	}
	b.edge(end, edge{kind: leave})
	b.loops = append(b.loops, loop{body, again, out1, int32(least), int32(most)})
	for _, in := range []int32{in0, in1} {
		b.edge(in, edge{kind: enter, what: int32(len(b.loops) - 1)})
	}
	return out0, out1
}

// list builds, for each kid i, a node choose that leads to the kid and, where it may be left
// out, to the next one's; behind a kid comes the separator and the next one's choose.
func (b *builder) list(e *Expr, in0, in1 int32) (out0, out1 int32) {
	out0, out1 = -1, b.node()
	choose := make([]int32, len(e.Kids)+1)
	for i := range choose {
		choose[i] = b.node()
	}
	b.move(in0, choose[0])
	b.move(in1, choose[0])
	rest := true // all that follow may be left out
	for i := len(e.Kids) - 1; i >= 0; i-- {
		_, end := b.build(e.Kids[i], choose[i], -1)
		if rest {
			b.move(end, out1)
		}
		if i+1 < len(e.Kids) {
			s0, s1 := b.build(e.Sep, end, -1)
			b.move(s0, choose[i+1])
			b.move(s1, choose[i+1])
		}
		if e.Need[i] {
			rest = false
		} else {
			b.move(choose[i], choose[i+1])
		}
	}
	if rest {
		out0 = in0
		b.move(in1, out1)
	}
	return out0, out1
}
