package pda

import (
	"slices"
)

// subset makes the builder's automaton deterministic between acts. A state is the set of
// the nodes a thread may stand at; sets never mix rules. Calls of one rule from one state
// become one call, behind which the thread may stand at each of their ends.
type subset struct {
	*builder
	p       *Program
	index   map[string]int32
	single  []int32   // the state of a set of one node
	sets    [][]int32 // a state's nodes
	rules   []int32   // a state's rule
	after   []int32   // a loop's state behind it, −1 before it is needed
	seen    []bool
	work    int
	key     []byte
	scratch []int32
}

// closure returns the nodes reached from set by empty moves that have other edges, sorted,
// in scratch memory.
func (d *subset) closure(from []int32) []int32 {
	set := append(d.scratch[:0], from...)
	for _, n := range set {
		d.seen[n] = true
	}
	keep := 0
	for i := 0; i < len(set); i++ {
		useful := false
		for e := d.first[set[i]]; e >= 0; e = d.edges[e].next {
			d.work++
			switch x := d.edges[e]; {
			case x.kind != empty:
				useful = true
			case !d.seen[x.to]:
				d.seen[x.to] = true
				set = append(set, x.to)
			}
		}
		if useful {
			set[i], set[keep] = set[keep], set[i]
			keep++
		}
	}
	for _, n := range set {
		d.seen[n] = false
	}
	d.scratch = set
	d.work += len(set)
	set = set[:keep]
	slices.Sort(set)
	return set
}

// state returns the number of the state of the nodes that from leads to.
func (d *subset) state(from []int32, rule int32) int32 {
	if len(from) == 1 && d.single[from[0]] >= 0 {
		return d.single[from[0]]
	}
	set := d.closure(from)
	d.key = d.key[:0]
	for _, n := range set {
		d.key = append(d.key, byte(n), byte(n>>8), byte(n>>16))
	}
	s, ok := d.index[string(d.key)]
	if !ok {
		s = int32(len(d.sets))
		d.index[string(d.key)] = s
		d.sets = append(d.sets, slices.Clone(set))
		d.rules = append(d.rules, rule)
	}
	if len(from) == 1 {
		d.single[from[0]] = s
	}
	return s
}

func (d *subset) run() error {
	d.index = map[string]int32{}
	d.single = make([]int32, len(d.first))
	for i := range d.single {
		d.single[i] = -1
	}
	for _, r := range d.checker.rules {
		d.p.Rules = append(d.p.Rules, r.Name)
	}
	d.after = make([]int32, len(d.loops))
	d.p.Loops = make([]Loop, len(d.loops))
	d.p.Start = d.state([]int32{d.starts[0]}, 0)
	var moves []edge
	for s := int32(0); int(s) < len(d.sets); s++ {
		if len(d.sets) > maxStates || d.work > maxWork {
			return d.fail(int(d.rules[s]), ErrTooLarge)
		}
		st := State{Edge: int32(len(d.p.Edges)), Act: int32(len(d.p.Acts)), Rule: d.rules[s]}
		moves = moves[:0]
		backs := map[int32][]int32{} // where the calls of a rule end
		var called []int32           // in a fixed order
		for _, n := range d.sets[s] {
			for e := d.first[n]; e >= 0; e = d.edges[e].next {
				d.work++
				switch x := d.edges[e]; x.kind {
				case bytes:
					moves = append(moves, x)
				case leave:
					st.Leave = true
				case call:
					if backs[x.what] == nil {
						called = append(called, x.what)
					}
					backs[x.what] = append(backs[x.what], x.to)
				case enter:
					d.enter(x.what, st.Rule)
				}
			}
		}
		slices.Sort(called)
		for _, r := range called {
			to := backs[r]
			slices.Sort(to)
			back := d.state(slices.Compact(to), st.Rule)
			if d.onlyLeaves(back) {
				back = -1
			}
			d.p.Acts = append(d.p.Acts, Act{To: d.state([]int32{d.starts[r]}, r), Back: back, Loop: -1})
		}
		d.move(moves, st.Rule)
		st.EdgeEnd, st.ActEnd = int32(len(d.p.Edges)), int32(len(d.p.Acts))
		d.p.States = append(d.p.States, st)
	}
	return nil
}

// onlyLeaves reports whether a state can do nothing but pop, so that a frame that leads to
// it may as well be left out: then lists that recurse at their end need no stack.
func (d *subset) onlyLeaves(s int32) bool {
	for _, n := range d.sets[s] {
		for e := d.first[n]; e >= 0; e = d.edges[e].next {
			if k := d.edges[e].kind; k != leave && k != empty {
				return false
			}
		}
	}
	return true
}

// enter adds the act that begins loop l.
func (d *subset) enter(l, rule int32) {
	x := d.loops[l]
	d.p.Loops[l] = Loop{
		Again: d.state([]int32{x.again}, rule), After: d.state([]int32{x.after}, rule),
		Min: x.min, Max: x.max,
	}
	d.p.Acts = append(d.p.Acts, Act{To: d.state([]int32{x.first}, rule), Back: -1, Loop: l})
}

// move adds the edges of one state: where the nodes' overlap, the byte leads to all.
func (d *subset) move(moves []edge, rule int32) {
	if len(moves) == 1 {
		d.p.Edges = append(d.p.Edges, Edge{moves[0].lo, moves[0].hi, d.state([]int32{moves[0].to}, rule)})
		return
	}
	var cut [257]bool
	for _, m := range moves {
		cut[m.lo], cut[int(m.hi)+1] = true, true
	}
	first := len(d.p.Edges)
	var to []int32
	for lo := 0; lo < 256; {
		hi := lo
		for hi++; hi < 256 && !cut[hi]; hi++ {
		}
		to = to[:0]
		for _, m := range moves {
			if int(m.lo) <= lo && lo <= int(m.hi) {
				to = append(to, m.to)
			}
		}
		d.work += len(moves)/16 + len(to)
		if d.work > maxWork {
			return
		}
		if len(to) > 0 {
			slices.Sort(to)
			s := d.state(slices.Compact(to), rule)
			if e := d.p.Edges; len(e) > first && e[len(e)-1].To == s && int(e[len(e)-1].Hi)+1 == lo {
				e[len(e)-1].Hi = byte(hi - 1)
			} else {
				d.p.Edges = append(e, Edge{byte(lo), byte(hi - 1), s})
			}
		}
		lo = hi
	}
}

// leftRecursion refuses a rule that may come back to its start without a byte. Since no
// rule or loop ends without one, it is enough to follow the calls at the start.
func (d *subset) leftRecursion() error {
	d.seen = make([]bool, len(d.first))
	state := make([]uint8, len(d.starts))
	var visit func(r int) error
	var begin func(node int32) error
	begin = func(node int32) error {
		for _, n := range slices.Clone(d.closure([]int32{node})) {
			for e := d.first[n]; e >= 0; e = d.edges[e].next {
				var err error
				switch x := d.edges[e]; x.kind {
				case call:
					err = visit(int(x.what))
				case enter:
					err = begin(d.loops[x.what].first)
				}
				if err != nil {
					return err
				}
				if d.work > maxWork {
					return ErrTooLarge
				}
			}
		}
		return nil
	}
	visit = func(r int) error {
		if state[r] == 1 {
			return d.fail(r, ErrLeftRecursion)
		}
		if state[r] == 2 {
			return nil
		}
		state[r] = 1
		err := begin(d.starts[r])
		state[r] = 2
		return err
	}
	for r, start := range d.starts {
		if start >= 0 {
			if err := visit(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// countThreads refuses a program in which one byte could start more than maxThreads.
func (d *subset) countThreads() error {
	count := make([]int32, len(d.p.States)) // 0: not known yet
	var of func(s int32) int32
	of = func(s int32) int32 {
		if count[s] == 0 {
			st, n := &d.p.States[s], int32(1)
			for _, a := range d.p.Acts[st.Act:st.ActEnd] {
				n = min(n+of(a.To), maxThreads+1)
			}
			count[s] = n
		}
		return count[s]
	}
	for s := range count {
		if of(int32(s)) > maxThreads {
			return d.fail(int(d.p.States[s].Rule), ErrTooLarge)
		}
	}
	return nil
}
