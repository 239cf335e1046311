package regular

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// MaxStates bounds every DFA of this package.
const MaxStates = 1 << 13

const (
	maxNodes = 1 << 15 // of a pattern's nondeterministic automaton
	maxWork  = 1 << 21 // nodes and edges looked at while it is made deterministic
)

// Errors of too large an automaton, and of one that accepts nothing.
var (
	ErrSize  = fmt.Errorf("it needs an automaton of more than %d states, or too much work to find one", MaxStates)
	ErrEmpty = errors.New("no string satisfies it")
)

// Edge leads to the state To by the characters of Range.
type Edge struct {
	Range
	To int32
}

// DFA is a deterministic automaton: state 0 is the start, Edges of a state are sorted by
// character and do not overlap. Every state leads to a final one.
type DFA struct {
	Edges [][]Edge
	Final []bool
}

// Compile returns the automaton of the strings in which pattern matches somewhere, as JSON
// Schema's pattern means it. ^ and $ are the string's ends. The errors say what in the
// pattern is not supported, or that it is too large.
func Compile(pattern string) (*DFA, error) {
	tree, err := parse(pattern)
	if err != nil {
		return nil, err
	}
	n := &nfa{}
	start := n.node()
	n.edge(start, nfaEdge{set: Any, to: start})
	end, err := n.add(tree, start)
	if err != nil {
		return nil, err
	}
	n.accept = end
	d, err := n.determinise(start)
	if err != nil {
		return nil, err
	}
	return d.trim()
}

// nfa has edges of a set, without one (empty moves), and the two anchors.
type nfa struct {
	edges  [][]nfaEdge
	accept int32
}

type nfaEdge struct {
	set    Set
	to     int32
	anchor op // opBegin, opEnd, or neither
}

func (n *nfa) node() int32 {
	n.edges = append(n.edges, nil)
	return int32(len(n.edges) - 1)
}

func (n *nfa) edge(from int32, e nfaEdge) { n.edges[from] = append(n.edges[from], e) }

// add appends the automaton of t behind from and returns its end.
func (n *nfa) add(t *node, from int32) (int32, error) {
	if len(n.edges) > maxNodes {
		return 0, ErrSize
	}
	var err error
	switch t.op {
	case opSet, opBegin, opEnd:
		to := n.node()
		n.edge(from, nfaEdge{t.set, to, t.op})
		return to, nil
	case opSeq:
		for _, k := range t.kids {
			if from, err = n.add(k, from); err != nil {
				return 0, err
			}
		}
		return from, nil
	case opAlt:
		to := n.node()
		for _, k := range t.kids {
			begin := n.node()
			n.edge(from, nfaEdge{to: begin})
			end, err := n.add(k, begin)
			if err != nil {
				return 0, err
			}
			n.edge(end, nfaEdge{to: to})
		}
		return to, nil
	}
	// A repetition: its least copies in a row, then a loop or as many as may be left out.
	for range t.min {
		if from, err = n.add(t.kids[0], from); err != nil {
			return 0, err
		}
	}
	to := n.node()
	if t.max < 0 {
		n.edge(from, nfaEdge{to: to})
		end, err := n.add(t.kids[0], to)
		if err == nil {
			n.edge(end, nfaEdge{to: to})
		}
		return to, err
	}
	for range t.max - t.min {
		n.edge(from, nfaEdge{to: to})
		// A node of its own keeps what leads here apart from a loop inside the copy.
		begin := n.node()
		n.edge(from, nfaEdge{to: begin})
		if from, err = n.add(t.kids[0], begin); err != nil {
			return 0, err
		}
	}
	n.edge(from, nfaEdge{to: to})
	return to, nil
}

// closure adds to set what is reached from it by empty moves, and by the anchors that hold.
func (n *nfa) closure(set []int32, seen []bool, begin, end bool) []int32 {
	for i := 0; i < len(set); i++ {
		for _, e := range n.edges[set[i]] {
			if e.set != nil || seen[e.to] || e.anchor == opBegin && !begin || e.anchor == opEnd && !end {
				continue
			}
			seen[e.to] = true
			set = append(set, e.to)
		}
	}
	return set
}

// determinise is the subset construction. ^ holds in the first state alone; $ is tried
// only to learn whether a state is final.
func (n *nfa) determinise(start int32) (*DFA, error) {
	d := &DFA{}
	var sets [][]int32
	index := map[string]int32{}
	seen := make([]bool, len(n.edges))
	work := 0
	close := func(set []int32, begin, end bool) []int32 {
		for _, x := range set {
			seen[x] = true
		}
		set = n.closure(set, seen, begin, end)
		for _, x := range set {
			seen[x] = false
		}
		work += len(set)
		return set
	}
	state := func(set []int32, begin bool) int32 {
		set = close(set, begin, false)
		final := slices.Contains(set, n.accept)
		if final {
			set = append(set[:0], n.accept) // whatever follows, the pattern has matched
		}
		slices.Sort(set)
		var key []byte
		for _, x := range set {
			key = append(key, byte(x), byte(x>>8), byte(x>>16))
		}
		if begin {
			key = append(key, 0xFF) // the first state alone sees ^
		}
		if s, ok := index[string(key)]; ok {
			return s
		}
		s := int32(len(sets))
		index[string(key)] = s
		sets = append(sets, set)
		d.Final = append(d.Final, final || slices.Contains(close(slices.Clone(set), begin, true), n.accept))
		d.Edges = append(d.Edges, nil)
		return s
	}
	state([]int32{start}, true)
	for s := 0; s < len(sets); s++ {
		if len(sets) > MaxStates || work > maxWork {
			return nil, ErrSize
		}
		if sets[s][0] == n.accept {
			d.Edges[s] = []Edge{{Any[0], int32(s)}, {Any[1], int32(s)}}
			continue
		}
		var out []Edge // by the nodes' edges, overlapping
		var cuts []rune
		for _, x := range sets[s] {
			for _, e := range n.edges[x] {
				for _, r := range e.set {
					out = append(out, Edge{r, e.to})
					cuts = append(cuts, r.Lo, r.Hi+1)
				}
			}
		}
		slices.SortFunc(out, func(a, b Edge) int { return cmp.Compare(a.Lo, b.Lo) })
		slices.Sort(cuts)
		cuts = slices.Compact(cuts)
		var live []Edge
		for i := 0; i+1 < len(cuts); i++ {
			live = slices.DeleteFunc(live, func(e Edge) bool { return e.Hi < cuts[i] })
			for len(out) > 0 && out[0].Lo <= cuts[i] {
				live, out = append(live, out[0]), out[1:]
			}
			if work += len(live) + 1; work > maxWork {
				return nil, ErrSize
			}
			var to []int32
			for _, e := range live {
				to = append(to, e.To)
			}
			if len(to) == 0 {
				continue
			}
			slices.Sort(to)
			d.Edges[s] = appendEdge(d.Edges[s], Edge{Range{cuts[i], cuts[i+1] - 1}, state(slices.Compact(to), false)})
		}
	}
	return d, nil
}

// appendEdge appends e, or makes the last edge longer where e goes on from it.
func appendEdge(edges []Edge, e Edge) []Edge {
	if n := len(edges); n > 0 && edges[n-1].To == e.To && edges[n-1].Hi+1 == e.Lo {
		edges[n-1].Hi = e.Hi
		return edges
	}
	return append(edges, e)
}

// trim drops the states that lead to no final one. ErrEmpty where the start is one.
func (d *DFA) trim() (*DFA, error) {
	from := make([][]int32, len(d.Edges))
	for s, edges := range d.Edges {
		for _, e := range edges {
			from[e.To] = append(from[e.To], int32(s))
		}
	}
	good := slices.Clone(d.Final)
	var queue []int32
	for s, f := range d.Final {
		if f {
			queue = append(queue, int32(s))
		}
	}
	for len(queue) > 0 {
		s := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, p := range from[s] {
			if !good[p] {
				good[p] = true
				queue = append(queue, p)
			}
		}
	}
	if len(good) == 0 || !good[0] {
		return nil, ErrEmpty
	}
	number := make([]int32, len(good))
	t := &DFA{}
	for s, g := range good {
		if g {
			number[s] = int32(len(t.Final))
			t.Final = append(t.Final, d.Final[s])
			t.Edges = append(t.Edges, slices.DeleteFunc(slices.Clone(d.Edges[s]), func(e Edge) bool { return !good[e.To] }))
		}
	}
	for _, edges := range t.Edges {
		for i := range edges {
			edges[i].To = number[edges[i].To]
		}
	}
	return t, nil
}
