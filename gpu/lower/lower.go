package lower

import (
	"fmt"

	"eclat/model"
)

// Lowering is a plan on its way to dispatches.
type Lowering struct {
	Plan *model.Plan
	model.CompileOptions
	In     Inputs // areas; Indirect and Words are not final
	Weight func(id model.ID) *WeightInfo
	// Used counts the steps that read a tensor, Plan.Result as one more: a fused
	// kernel may leave a tensor unwritten only when it is the one reader.
	Used []int

	vectors int64 // bytes of scratch that decoded vectors may take
}

// NewLowering begins to lower a plan. weight returns a loaded weight by name.
func NewLowering(plan *model.Plan, o model.CompileOptions, weight func(name string) *WeightInfo) *Lowering {
	used := make([]int, len(plan.Tensors))
	for _, s := range plan.Steps {
		for _, t := range s.Src {
			used[t]++
		}
	}
	used[plan.Result]++
	if o.Trace { // every tensor has one more reader, so none is fused away
		for t := range used {
			used[t]++
		}
	}
	widest := 0
	for i := range plan.Tensors {
		widest = max(widest, plan.Tensors[i].Cols)
	}
	return &Lowering{
		vectors:        (int64(widest)*4 + 511) &^ 255,
		Plan:           plan,
		CompileOptions: o,
		In:             InputsFor(plan, o, 0),
		Weight:         func(id model.ID) *WeightInfo { return weight(plan.Tensors[id].Name) },
		Used:           used,
	}
}

// longest is the most positions that a token may see in any pool.
func (l *Lowering) longest() int {
	n := 1
	for pool := range l.Plan.Pools {
		n = max(n, l.seen(pool))
	}
	return n
}

// seen is the most positions of a pool that a token may see, 0 where it has no pages.
func (l *Lowering) seen(pool int) int {
	p := l.Plan.Pools[pool]
	switch p.Per {
	case model.Sequence:
		return 0
	case model.Window:
		return min(p.Units*model.PageLen, p.Window)
	}
	return p.Units * model.PageLen
}

// Group is the dispatches of one Lower call: one step of the plan, or several that
// were fused.
type Group struct {
	Step, Steps int // steps of the plan: Step … Step+Steps−1
	Dispatches  []Dispatch
}

// All asks for the dispatches of a whole plan.
func (k *Kernels) All(l *Lowering) ([]Group, error) {
	var groups []Group
	for at := 0; at < len(l.Plan.Steps); {
		ds, steps, err := k.Lower(l, at)
		if err != nil {
			return nil, err
		}
		groups = append(groups, Group{at, steps, ds})
		at += steps
	}
	return groups, nil
}

// Work is the memory that one program needs beside weights and memory, in bytes.
type Work struct {
	Act     int64 // activations
	Scratch int64 // of kernels
	Inputs  int64
	Answer  int64 // of the rows of the answer
	Tokens  int64 // of the chosen tokens; 0 for a plan that ends with rows

	Place    []Span // of the activations
	In       Inputs
	Indirect []func(Run) [3]uint32 // sizes of dispatches that the host writes
}

// WorkOf sizes up a lowered plan.
func WorkOf(l *Lowering, groups []Group) (Work, error) {
	var w Work
	w.Place, w.Act = arena(l, groups)
	for _, g := range groups {
		for i := range g.Dispatches {
			d := &g.Dispatches[i]
			if d.Indirect != nil {
				w.Indirect = append(w.Indirect, d.Indirect)
			}
			for _, b := range d.Bind {
				if b.Mem == Scratch {
					w.Scratch = max(w.Scratch, b.Offset+b.Size)
				}
			}
		}
	}
	w.In = InputsFor(l.Plan, l.CompileOptions, len(w.Indirect))
	w.Inputs = int64(w.In.Words) * 4
	w.Answer = l.Bytes(l.Plan.Answer())
	if l.Plan.Samples() {
		w.Tokens = int64(l.Want) * 4
	}
	if w.Inputs > 1<<32 {
		return w, fmt.Errorf("gpu: the inputs of %d tokens are %d MiB: %w", l.Tokens, w.Inputs>>20, model.ErrNoMemory)
	}
	return w, nil
}

// Spare gives the activations without a place one at the beginning, over others:
// for measuring, where no value matters.
func (w *Work) Spare(l *Lowering) {
	for i, t := range l.Plan.Tensors {
		if (t.Kind == model.TokenRows || t.Kind == model.WantRows) && w.Place[i].Len == 0 {
			w.Place[i] = Span{0, l.place(model.ID(i))}
			w.Act = max(w.Act, w.Place[i].Len)
		}
	}
}

// Bytes is the size of an activation in the largest run.
func (l *Lowering) Bytes(t model.ID) int64 {
	return int64(l.Plan.Rows(t, l.Size)) * int64(l.Plan.Tensors[t].Cols) * 4
}

// place is the length of its place in the arena, in bytes.
func (l *Lowering) place(t model.ID) int64 { return int64(l.Plan.PlaceLen(t, l.Size)) * 4 }
