package gpu

import "eclat/model"

// group is the dispatches of one Lower call: one step of the plan, or several that
// were fused.
type group struct {
	step, steps int // steps of the plan: step … step+steps−1
	ds          []Dispatch
}

// span is a range of the activations, in bytes.
type span struct{ at, n int64 }

// arena gives each activation that a dispatch touches a place, and lets tensors
// share one that are not alive in the same group. It differs from Plan.Arena in
// what it counts as one step, and in that tensors which fusing made needless get
// no memory. A tensor without a place has n = 0.
func arena(p *model.Plan, groups []group) (place []span, size int64) {
	place = make([]span, len(p.Tensors))
	last := make([]int, len(p.Tensors)) // group after which the tensor is dead
	for g := range groups {
		eachActivation(&groups[g], func(t model.ID) { last[t] = g })
	}
	last[resultRows(p)] = len(groups)
	var free []span
	put := func(t model.ID) {
		if place[t].n > 0 {
			return
		}
		n := (int64(p.Tensors[t].Rows)*int64(p.Tensors[t].Cols)*4 + align - 1) &^ (align - 1)
		best := -1
		for i, f := range free {
			if f.n >= n && (best < 0 || f.n < free[best].n) {
				best = i
			}
		}
		if best < 0 {
			place[t] = span{size, n}
			size += n
			return
		}
		f := &free[best]
		place[t] = span{f.at, n}
		f.at, f.n = f.at+n, f.n-n
	}
	if p.Hidden != model.None {
		put(p.Hidden)
	}
	dead := make([]bool, len(p.Tensors))
	for g := range groups {
		eachActivation(&groups[g], put)
		eachActivation(&groups[g], func(t model.ID) {
			if last[t] == g && !dead[t] && !p.Trace {
				dead[t] = true
				free = release(free, place[t])
			}
		})
	}
	return place, size
}

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

func eachActivation(g *group, do func(t model.ID)) {
	for i := range g.ds {
		for _, b := range g.ds[i].Bind {
			if b.Mem == Act {
				do(b.Tensor)
			}
		}
	}
}

// sampled reports whether the plan's result is tokens.
func sampled(p *model.Plan) bool {
	n := len(p.Steps)
	return n > 0 && p.Steps[n-1].Op == model.Sample
}
