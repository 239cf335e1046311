package pda

import (
	"fmt"
	"math"
)

// Limits of a grammar and of what is built from it.
const (
	maxNodes    = 1 << 19 // of the nondeterministic automaton
	maxStates   = 1 << 18 // of the deterministic one
	maxWork     = 1 << 24 // nodes and edges looked at while making it so
	maxThreads  = 1 << 10 // that one byte may start
	inlineSize  = 256     // nodes of a rule that is built into others
	unrollCount = 8       // copies that may stand for a counted repetition,
	unrollSize  = 64      // and their nodes
)

// checker knows the rules as expressions.
type checker struct {
	rules    []Rule
	nullable []bool // may be the empty string
	inline   []bool // is built into the rules that name it
	size     []int  // nodes of the automaton
	limit    int    // the largest size to inline
}

func (c *checker) fail(rule int, err error) error {
	return fmt.Errorf("rule %q: %w", c.rules[rule].Name, err)
}

// prepare decides everything about the rules that build needs.
func (c *checker) prepare() error {
	order := c.order()
	ends := make([]bool, len(c.rules))
	c.nullable = make([]bool, len(c.rules))
	// Both are least fixed points; callees come first, so one pass does for what does
	// not recurse.
	passes := 0
	for changed := true; changed; passes++ {
		if changed = false; passes > 100 {
			return fmt.Errorf("rules that recurse through one another more than %d deep: %w", passes, ErrTooLarge)
		}
		for _, r := range order {
			if !ends[r] && c.ends(c.rules[r].Expr, ends) {
				ends[r], changed = true, true
			}
			if !c.nullable[r] && c.empty(c.rules[r].Expr) {
				c.nullable[r], changed = true, true
			}
		}
	}
	for _, r := range order {
		if !ends[r] {
			return c.fail(r, ErrEndless)
		}
	}
	for _, limit := range []int{inlineSize, 16, 0} {
		c.limit = limit
		total := 0
		c.measure(order)
		for _, r := range order {
			if total += c.size[r]; total > maxNodes/2 {
				total = math.MaxInt
				break
			}
		}
		if total < math.MaxInt {
			return nil
		}
	}
	return ErrTooLarge
}

// order returns the rules reached from rule 0, callees before callers.
func (c *checker) order() (order []int) {
	seen := make([]bool, len(c.rules))
	var visit func(r int)
	visit = func(r int) {
		if !seen[r] {
			seen[r] = true
			each(c.rules[r].Expr, visit)
			order = append(order, r)
		}
	}
	visit(0)
	return order
}

// each calls f with the rules e names.
func each(e *Expr, f func(rule int)) {
	if e.Op == Ref {
		f(e.Rule)
	}
	for _, k := range e.Kids {
		each(k, f)
	}
	if e.Sep != nil {
		each(e.Sep, f)
	}
}

// ends reports whether a string of e can be finished, given the rules that can.
func (c *checker) ends(e *Expr, known []bool) bool {
	switch e.Op {
	case Ref:
		return known[e.Rule]
	case Chars:
		return len(e.Set) > 0
	case Alt:
		for _, k := range e.Kids {
			if c.ends(k, known) {
				return true
			}
		}
		return false
	case Repeat:
		return e.Min == 0 || c.ends(e.Kids[0], known)
	case List:
		for i, k := range e.Kids {
			if e.Need[i] && !c.ends(k, known) {
				return false
			}
		}
		return true
	}
	for _, k := range e.Kids {
		if !c.ends(k, known) {
			return false
		}
	}
	return true
}

// empty reports whether e may be the empty string, given the rules that may.
func (c *checker) empty(e *Expr) bool {
	switch e.Op {
	case Text:
		return e.Text == ""
	case Chars:
		return false
	case Auto, JSON:
		return e.DFA.Final[0]
	case Ref:
		return c.nullable[e.Rule]
	case Repeat:
		return e.Min == 0 || c.empty(e.Kids[0])
	case Alt:
		for _, k := range e.Kids {
			if c.empty(k) {
				return true
			}
		}
		return false
	case List:
		for _, need := range e.Need {
			if need {
				return false
			}
		}
		return true
	}
	for _, k := range e.Kids {
		if !c.empty(k) {
			return false
		}
	}
	return true
}

// measure finds the size of each rule, what is inlined counted in full. A rule met while
// it is being measured recurses and is called.
func (c *checker) measure(order []int) {
	c.size = make([]int, len(c.rules))
	c.inline = make([]bool, len(c.rules))
	state := make([]uint8, len(c.rules)) // 1 while measured, 2 after
	recurses := make([]bool, len(c.rules))
	var visit func(r int)
	visit = func(r int) {
		switch state[r] {
		case 1:
			recurses[r] = true
		case 0:
			state[r] = 1
			each(c.rules[r].Expr, visit)
			c.size[r] = c.weigh(c.rules[r].Expr)
			c.inline[r] = !recurses[r] && c.size[r] <= c.limit && r != 0
			state[r] = 2
		}
	}
	for _, r := range order {
		visit(r)
	}
}

// weigh returns about how many nodes e takes, at most a number that is too many.
func (c *checker) weigh(e *Expr) int {
	n := 2
	switch e.Op {
	case Text:
		n = len(e.Text) + 1
	case Chars:
		for _, r := range e.Set {
			sequences(r.Lo, r.Hi, func([]span) { n++ })
		}
	case Auto, JSON:
		for _, edges := range e.DFA.Edges {
			n += 1 + 8*len(edges)
		}
	case Ref:
		if c.inline[e.Rule] {
			n = c.size[e.Rule]
		}
	}
	for _, k := range e.Kids {
		n = min(n+c.weigh(k), maxNodes)
	}
	if e.Op == Repeat && e.Max != 1 && c.unrolls(e, n) {
		n *= max(e.Min, e.Max)
	}
	if e.Sep != nil {
		n += max(len(e.Kids), 1) * c.weigh(e.Sep)
	}
	return min(n, maxNodes)
}

// unrolls reports whether copies stand for the counted repetition e of size nodes a copy.
func (c *checker) unrolls(e *Expr, size int) bool {
	n := max(e.Min, e.Max)
	return e.Sep == nil && n <= unrollCount && n*size <= unrollSize
}
