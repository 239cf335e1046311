package gpu

import "eclat/model"

// lowerAll asks for the dispatches of a whole plan. weight returns a loaded weight
// by name. It needs no open device, so that Fit can ask what a plan would take.
func (k *Kernels) lowerAll(plan *model.Plan, weight func(name string) *WeightInfo, pages int) ([]group, error) {
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
	l := &Lowering{
		Plan:   plan,
		Info:   k.info,
		In:     inputsFor(plan, pages, 0),
		Weight: func(id model.ID) *WeightInfo { return weight(plan.Tensors[id].Name) },
		Pages:  pages,
		Used:   used,
	}
	var groups []group
	for at := 0; at < len(plan.Steps); {
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
	res := plan.Tensors[plan.Result]
	w.result = int64(res.Rows) * int64(res.Cols) * 4
	return w
}

func (w *work) total() int64 { return w.act + w.scratch + w.control + w.inputs + w.result }
