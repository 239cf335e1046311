package lower

import "eclat/model"

// Span is a range of the activations, in bytes.
type Span struct{ At, Len int64 }

// arena gives each activation that a dispatch touches a place, by Plan.Arena with
// the groups as pieces of work. Tensors that fusing made needless get no memory: a
// tensor without a place has Len = 0.
func arena(l *Lowering, groups []Group) (place []Span, size int64) {
	touched := make([][]model.ID, len(groups))
	for g := range groups {
		eachActivation(&groups[g], func(t model.ID) { touched[g] = append(touched[g], t) })
	}
	offset, n := l.Plan.Arena(l.CompileOptions, touched, l.Plan.Answer())
	place = make([]Span, len(l.Plan.Tensors))
	for t, at := range offset {
		if at >= 0 {
			place[t] = Span{int64(at) * 4, l.place(model.ID(t))}
		}
	}
	return place, int64(n) * 4
}

func eachActivation(g *Group, do func(t model.ID)) {
	for i := range g.Dispatches {
		for _, b := range g.Dispatches[i].Bind {
			if b.Mem == Act {
				do(b.Tensor)
			}
		}
	}
}
