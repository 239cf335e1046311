package regular

import (
	"cmp"
	"slices"
)

// Match reports whether the automaton accepts s.
func (d *DFA) Match(s string) bool {
	at := int32(0)
	for _, c := range s {
		i, ok := slices.BinarySearchFunc(d.Edges[at], c, func(e Edge, c rune) int { return cmp.Compare(e.Lo, c) })
		if !ok {
			i--
		}
		if i < 0 || c > d.Edges[at][i].Hi {
			return false
		}
		at = d.Edges[at][i].To
	}
	return d.Final[at]
}

// Intersect returns the automaton of the strings that both accept: their product.
// The errors are ErrSize and ErrEmpty.
func Intersect(a, b *DFA) (*DFA, error) {
	type pair struct{ a, b int32 }
	final := func(p pair) bool { return a.Final[p.a] && b.Final[p.b] }
	return reached(pair{}, final, func(p pair, state func(pair) int32) (edges []Edge) {
		x, y := a.Edges[p.a], b.Edges[p.b]
		for len(x) > 0 && len(y) > 0 {
			if lo, hi := max(x[0].Lo, y[0].Lo), min(x[0].Hi, y[0].Hi); lo <= hi {
				edges = appendEdge(edges, Edge{Range{lo, hi}, state(pair{x[0].To, y[0].To})})
			}
			if x[0].Hi < y[0].Hi {
				x = x[1:]
			} else {
				y = y[1:]
			}
		}
		return edges
	})
}

// Length returns the automaton of the strings of min to max characters; max < 0: no limit.
func Length(min, max int) (*DFA, error) {
	n := max
	if max < 0 {
		n = min
	}
	if n >= MaxStates {
		return nil, ErrSize
	}
	d := &DFA{Edges: make([][]Edge, n+1), Final: make([]bool, n+1)}
	for s := range n + 1 {
		d.Final[s] = s >= min
		to := int32(s + 1)
		if s == n {
			if max >= 0 {
				break
			}
			to = int32(n)
		}
		d.Edges[s] = []Edge{{Any[0], to}, {Any[1], to}}
	}
	return d.trim()
}

// Except returns the automaton of all strings but words: the words' tree, and one more
// state for what has left it.
func Except(words []string) (*DFA, error) {
	const rest = 1 // 0 is the tree's root
	loop := []Edge{{Any[0], rest}, {Any[1], rest}}
	d := &DFA{Edges: [][]Edge{nil, loop}, Final: []bool{true, true}}
	kids := []map[rune]int32{{}, nil}
	for _, w := range words {
		at := int32(0)
		for _, c := range w {
			to, ok := kids[at][c]
			if !ok {
				if to = int32(len(kids)); to >= MaxStates {
					return nil, ErrSize
				}
				kids[at][c] = to
				kids = append(kids, map[rune]int32{})
				d.Final = append(d.Final, true)
				d.Edges = append(d.Edges, nil)
			}
			at = to
		}
		d.Final[at] = false
	}
	for s, k := range kids {
		if s == rest {
			continue
		}
		var own []Range
		for c, to := range k {
			own = append(own, Range{c, c})
			d.Edges[s] = append(d.Edges[s], Edge{Range{c, c}, to})
		}
		for _, r := range NewSet(own...).Negate() {
			d.Edges[s] = append(d.Edges[s], Edge{r, rest})
		}
		slices.SortFunc(d.Edges[s], func(a, b Edge) int { return cmp.Compare(a.Lo, b.Lo) })
	}
	return d.trim()
}

// Explore returns the automaton whose states are the values reached from start: step says
// where a character of alphabet (ascending) leads, if anywhere. The errors are ErrSize and
// ErrEmpty.
func Explore[S comparable](start S, alphabet string, step func(S, rune) (S, bool), final func(S) bool) (*DFA, error) {
	return reached(start, final, func(v S, state func(S) int32) (edges []Edge) {
		for _, c := range alphabet {
			if to, ok := step(v, c); ok {
				edges = appendEdge(edges, Edge{Range{c, c}, state(to)})
			}
		}
		return edges
	})
}

// reached returns the automaton whose states are the values reached from start: edges gives
// those of a value, and state numbers the values that they lead to. The errors are ErrSize
// and ErrEmpty.
func reached[S comparable](start S, final func(S) bool, edges func(v S, state func(S) int32) []Edge) (*DFA, error) {
	d := &DFA{}
	index := map[S]int32{}
	var all []S
	state := func(v S) int32 {
		s, ok := index[v]
		if !ok {
			s = int32(len(all))
			index[v] = s
			all = append(all, v)
			d.Final = append(d.Final, final(v))
		}
		return s
	}
	state(start)
	for s := 0; s < len(all); s++ {
		if len(all) > MaxStates {
			return nil, ErrSize
		}
		d.Edges = append(d.Edges, edges(all[s], state))
	}
	return d.trim()
}
