package model

// Arena gives every activation of a plan a place in one float32 array and lets
// tensors that are never alive together share it. It returns the offset of each
// tensor in elements (−1 for weights and caches) and the array's length.
// With keep set nothing is shared, so that all activations can be read after a run.
func (p *Plan) Arena(keep bool) (offset []int, size int) {
	last := make([]int, len(p.Tensors)) // step after which the tensor is dead
	for i, s := range p.Steps {
		last[s.Dst] = i
		for _, t := range s.Src {
			last[t] = i
		}
	}
	if p.Hidden != None {
		last[p.Hidden] = max(last[p.Hidden], 0)
	}
	last[p.Result] = len(p.Steps)

	offset = make([]int, len(p.Tensors))
	for i := range offset {
		offset[i] = -1
	}
	type span struct{ at, n int }
	var free []span
	place := func(t ID) {
		tt := p.Tensors[t]
		if tt.Kind == Weight || tt.Kind == Cache || offset[t] >= 0 {
			return
		}
		n := (tt.Rows*tt.Cols + 63) &^ 63 // whole cache lines, and the alignment GPUs ask of buffer offsets
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
		offset[t] = free[best].at
		free[best].at += n
		free[best].n -= n
	}
	release := func(t ID) {
		tt := p.Tensors[t]
		if offset[t] < 0 {
			return
		}
		free = append(free, span{offset[t], (tt.Rows*tt.Cols + 63) &^ 63})
		for i := 0; i < len(free); i++ { // join neighbours
			for j := 0; j < len(free); j++ {
				if i != j && free[i].at+free[i].n == free[j].at {
					free[i].n += free[j].n
					free = append(free[:j], free[j+1:]...)
					i, j = 0, -1
				}
			}
		}
	}
	if p.Hidden != None {
		place(p.Hidden)
	}
	for i, s := range p.Steps {
		place(s.Dst)
		if keep {
			continue
		}
		done := map[ID]bool{}
		for _, t := range append([]ID{s.Dst}, s.Src...) {
			if last[t] == i && !done[t] {
				done[t] = true
				release(t)
			}
		}
	}
	return offset, size
}
