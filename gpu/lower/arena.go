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

// arena gives each activation that a dispatch touches a place, by Plan.Arena with
// the groups as pieces of work. Tensors that fusing made needless get no memory: a
// tensor without a place has n = 0.
func arena(p *model.Plan, groups []group) (place []span, size int64) {
	touched := make([][]model.ID, len(groups))
	for g := range groups {
		eachActivation(&groups[g], func(t model.ID) { touched[g] = append(touched[g], t) })
	}
	offset, n := p.Arena(touched, resultRows(p))
	place = make([]span, len(p.Tensors))
	for t, at := range offset {
		if at >= 0 {
			place[t] = span{int64(at) * 4, int64(p.PlaceLen(model.ID(t))) * 4}
		}
	}
	return place, int64(n) * 4
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
