package gpu

import (
	"fmt"
	"maps"
	"time"

	"eclat/model"
)

// Choices are measured decisions by what they are for (type, sizes, rows of x):
// the index of a shape in the list for it. The lists follow from the device, the
// driver and this program's version, so choices are kept by these.
type Choices map[string]int

// Choices returns what was measured or set so far.
func (k *Kernels) Choices() Choices { return maps.Clone(k.tuned) }

// SetChoices takes over decisions measured earlier.
func (k *Kernels) SetChoices(c Choices) { maps.Copy(k.tuned, c) }

// tuneSteps is how many steps of the same key are timed together: with the
// weights of several layers, a cache holds less of them.
const tuneSteps = 4

// tuneGain is how much faster than the first shape another must be to be chosen;
// below it the difference may be noise.
const tuneGain = 0.97

// Tune measures every shape for the plan's matmuls that have no choice yet. time
// runs dispatches on the plan's memory, one after the other, for all tokens of
// the plan and returns the shortest of a few times; a shape whose dispatches fail
// is passed over. Afterwards the plan has to be lowered anew.
func (k *Kernels) Tune(l *Lowering, time func(ds []Dispatch) (time.Duration, error)) error {
	steps, order := map[string][]int{}, []string(nil)
	for at, s := range l.Plan.Steps {
		if s.Op != model.MatMul {
			continue
		}
		key := tuneKey(l.Weight(s.Src[0]), l.Plan.Tensors[s.Dst].Rows)
		if _, done := k.tuned[key]; done {
			continue
		}
		if len(steps[key]) == 0 {
			order = append(order, key)
		}
		if len(steps[key]) < tuneSteps {
			steps[key] = append(steps[key], at)
		}
	}
	for _, key := range order {
		if err := k.tune(l, key, steps[key], time); err != nil {
			return err
		}
	}
	return nil
}

// tune decides one key by timing the steps in every shape.
func (k *Kernels) tune(l *Lowering, key string, steps []int, time func([]Dispatch) (time.Duration, error)) error {
	s := &l.Plan.Steps[steps[0]]
	info := l.Weight(s.Src[0])
	shapes := k.shapes(info.Type, l.Plan.Tensors[s.Dst].Rows, uint32(info.Cols)%chunkOf(info.Type) != 0)
	best, least, fault := -1, 0.0, error(nil)
	for i := range shapes {
		k.tuned[key] = i
		var ds []Dispatch
		for _, at := range steps {
			d, _, err := k.Lower(l, at)
			if err != nil {
				return err
			}
			ds = append(ds, d...)
		}
		t, err := time(ds)
		if err != nil {
			fault = err
			continue
		}
		if cost := t.Seconds(); best < 0 || cost < least*tuneGain {
			best, least = i, cost
		}
	}
	if best < 0 {
		delete(k.tuned, key)
		return fmt.Errorf("gpu: no kernel works for a matmul of %s: %w", key, fault)
	}
	k.tuned[key] = best
	return nil
}
