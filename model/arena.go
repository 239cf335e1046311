package model

// arenaAlign is the unit of places in elements: whole cache lines, and the 256
// bytes that GPUs ask of a binding's offset.
const arenaAlign = 64

// Arena gives activations places in one float32 array and lets those share one
// that are never alive together. touched lists, for each piece of work in the order
// of running, the tensors that it reads or writes; weights and memory among them
// are passed over. A tensor is alive from the first piece that touches it to the
// last; result is alive to the end, and with o.Trace everything is.
// The answer is each tensor's offset in elements, −1 for those without a place, and
// the array's length. A place is as long as PlaceLen says.
func (p *Plan) Arena(o CompileOptions, touched [][]ID, result ID) (offset []int, size int) {
	last := make([]int, len(p.Tensors)) // piece of work after which the tensor is dead
	for i, ids := range touched {
		for _, t := range ids {
			last[t] = i
		}
	}
	last[result] = len(touched)

	offset = make([]int, len(p.Tensors))
	for i := range offset {
		offset[i] = -1
	}
	var free []span
	put := func(t ID) {
		if k := p.Tensors[t].Kind; k == Weight || k == Kept || offset[t] >= 0 {
			return
		}
		n := p.PlaceLen(t, o.Size)
		best := -1
		for i, f := range free {
			if f.n >= n && (best < 0 || f.n < free[best].n) {
				best = i
			}
		}
		if best < 0 {
			offset[t] = size
			size += n
			return
		}
		f := &free[best]
		offset[t] = f.at
		f.at, f.n = f.at+n, f.n-n
	}
	if p.Hidden != None {
		put(p.Hidden)
	}
	dead := make([]bool, len(p.Tensors))
	for i, ids := range touched {
		for _, t := range ids {
			put(t)
		}
		for _, t := range ids {
			if last[t] == i && offset[t] >= 0 && !dead[t] && !o.Trace {
				dead[t] = true
				free = release(free, span{offset[t], p.PlaceLen(t, o.Size)})
			}
		}
	}
	return offset, size
}

// PlaceLen is the length of an activation's place in an Arena of a program of size s, in elements.
func (p *Plan) PlaceLen(t ID, s Size) int {
	return (p.Rows(t, s)*p.Tensors[t].Cols + arenaAlign - 1) &^ (arenaAlign - 1)
}

// ByStep lists what each step touches, for an Arena where steps run one by one.
func (p *Plan) ByStep() [][]ID {
	touched := make([][]ID, len(p.Steps))
	for i, s := range p.Steps {
		touched[i] = append([]ID{s.Dst}, s.Src...)
	}
	return touched
}

// span is a free range of an arena, in elements.
type span struct{ at, n int }

// release adds s to the free spans and joins it with its neighbours.
func release(free []span, s span) []span {
	for i := 0; i < len(free); {
		f := free[i]
		if f.n == 0 || f.at+f.n == s.at || s.at+s.n == f.at {
			if f.n > 0 {
				s = span{min(s.at, f.at), s.n + f.n}
			}
			free[i] = free[len(free)-1]
			free = free[:len(free)-1]
			i = 0
			continue
		}
		i++
	}
	return append(free, s)
}
