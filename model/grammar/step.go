package grammar

import "eclat/model/grammar/pda"

// maxThreads is how many readings of a text are followed at once.
const maxThreads = 1 << 11

// done is the state of a thread whose text is complete.
const done = -1

// thread is one reading of the text so far: a state of the program and a stack.
type thread struct{ state, stack int32 }

// runner moves threads. Where a thread pops below watch, low takes the least depth seen:
// what lies deeper has had no say.
type runner struct {
	p      *pda.Program
	s      stacks
	low    int32
	over   bool // a limit has cut a thread off
	narrow bool // that limit was the number of threads
}

// open appends to set the thread of state and stack and all that it becomes without a byte.
// The set it builds begins at from.
func (r *runner) open(set []thread, from int, state, stack int32) []thread {
	for {
		st := &r.p.States[state]
		if st.Edge < st.EdgeEnd || st.Act < st.ActEnd {
			t := thread{state, stack}
			for _, o := range set[from:] {
				if o == t {
					return set
				}
			}
			if len(set)-from > maxThreads { // one too many, which step sees
				return set
			}
			set = append(set, t)
		}
		for _, a := range r.p.Acts[st.Act:st.ActEnd] {
			to := stack
			if a.Loop >= 0 || a.Back >= 0 {
				if r.s.frames[stack].depth >= maxDepth {
					r.over = true
					continue
				}
				what := a.Back
				if a.Loop >= 0 {
					what = ^a.Loop
				}
				to = r.s.push(stack, what, 0)
			}
			set = r.open(set, from, a.To, to)
		}
		if !st.Leave {
			return set
		}
		f := r.s.frames[stack]
		r.low = min(r.low, f.depth)
		switch {
		case stack == 0:
			t := thread{done, 0}
			for _, o := range set[from:] {
				if o == t {
					return set
				}
			}
			return append(set, t)
		case f.what >= 0:
			state, stack = f.what, f.up
			continue
		}
		l := &r.p.Loops[^f.what]
		n := f.count + 1
		if l.Max < 0 || n < l.Max {
			keep := n
			if l.Max < 0 {
				keep = min(n, l.Min) // more than enough is enough
			}
			set = r.open(set, from, l.Again, r.s.push(f.up, f.what, keep))
		}
		if n < l.Min {
			return set
		}
		state, stack = l.After, f.up
	}
}

// step appends to set what the threads of now become by byte c: nothing where that is too
// many.
func (r *runner) step(set []thread, now []thread, c byte) []thread {
	from := len(set)
	for _, t := range now {
		if t.state == done {
			continue
		}
		to := r.p.Next(t.state, c)
		if to < 0 {
			continue
		}
		if st := &r.p.States[to]; len(now) == 1 && !st.Leave && st.Act == st.ActEnd {
			return append(set, thread{to, t.stack})
		}
		set = r.open(set, from, to, t.stack)
	}
	if len(set)-from > maxThreads {
		r.over, r.narrow = true, true
		return set[:from]
	}
	return set
}
