package gpu

import "eclat/model"

// lowering is what Lower sees of a plan. weight returns a loaded weight by name.
func (k *Kernels) lowering(plan *model.Plan, weight func(name string) *WeightInfo, pages int) *Lowering {
	used := make([]int, len(plan.Tensors))
	for _, s := range plan.Steps {
		for _, t := range s.Src {
			used[t]++
		}
	}
	used[plan.Result]++
	if plan.Trace { // every tensor has one more reader, so none is fused away
		for t := range used {
			used[t]++
		}
	}
	return &Lowering{
		Plan:   plan,
		Info:   k.info,
		In:     inputsFor(plan, pages, 0),
		Weight: func(id model.ID) *WeightInfo { return weight(plan.Tensors[id].Name) },
		Pages:  pages,
		Used:   used,
	}
}

// lowerAll asks for the dispatches of a whole plan. It needs no open device, so
// that Fit can ask what a plan would take.
func (k *Kernels) lowerAll(l *Lowering) ([]group, error) {
	var groups []group
	for at := 0; at < len(l.Plan.Steps); {
		ds, steps, err := k.Lower(l, at)
		if err != nil {
			return nil, err
		}
		groups = append(groups, group{at, steps, ds})
		at += steps
	}
	return groups, nil
}

// work is the memory that one program needs beside weights and caches, in bytes.
type work struct {
	act, scratch, control, inputs, result int64

	place    []span // of the activations
	in       Inputs
	indirect []func(Run) [3]uint32 // sizes of dispatches that the host writes
}

func workOf(plan *model.Plan, groups []group, pages int) work {
	var w work
	w.place, w.act = arena(plan, groups)
	for _, g := range groups {
		for i := range g.ds {
			d := &g.ds[i]
			if d.Indirect != nil {
				w.indirect = append(w.indirect, d.Indirect)
			}
			for _, b := range d.Bind {
				switch b.Mem {
				case Scratch:
					w.scratch = max(w.scratch, b.Offset+b.Size)
				case Control:
					w.control = max(w.control, b.Offset+b.Size)
				}
			}
		}
	}
	w.in = inputsFor(plan, pages, len(w.indirect))
	w.inputs = int64(w.in.Words) * 4
	w.result = tensorBytes(plan, resultRows(plan))
	return w
}

// placeRest puts the activations without a place at the end, one over the other.
func (w *work) placeRest(plan *model.Plan) {
	end := w.act
	for i, t := range plan.Tensors {
		if (t.Kind == model.TokenRows || t.Kind == model.LogitsRows) && w.place[i].n == 0 {
			w.place[i] = span{end, (tensorBytes(plan, model.ID(i)) + align - 1) &^ (align - 1)}
			w.act = max(w.act, end+w.place[i].n)
		}
	}
}

func (w *work) total() int64 { return w.act + w.scratch + w.control + w.inputs + w.result }

// resultRows is the activation that holds a plan's answer: its result, or the
// logits that its tokens are sampled from.
func resultRows(p *model.Plan) model.ID {
	if sampled(p) {
		return p.Steps[len(p.Steps)-1].Src[0]
	}
	return p.Result
}

func tensorBytes(p *model.Plan, id model.ID) int64 {
	return int64(p.Tensors[id].Rows) * int64(p.Tensors[id].Cols) * 4
}
