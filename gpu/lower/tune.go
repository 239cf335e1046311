package lower

import (
	"fmt"
	"maps"
	"time"

	"eclat/model"
)

// Choices are measured decisions by what they are for (type, sizes, rows of x). A
// choice that is not among the shapes that this program would try is not used, so
// choices may come from anywhere.
type Choices map[string]Shape

// Choices returns what was measured or set so far.
func (k *Kernels) Choices() Choices { return maps.Clone(k.tuned) }

// SetChoices takes over decisions measured earlier.
func (k *Kernels) SetChoices(c Choices) { maps.Copy(k.tuned, c) }

// tuneVersion changes when what a shape means, or how it is measured, does.
const tuneVersion = 4

// Signature names the Go side of the kernels that choices are made for: shapes
// measured under another one say nothing.
func Signature() string {
	return fmt.Sprint(tuneVersion, cardRows, softwareRows, tiles, coopTiles, MaxCols, tileX, coopX, tuneSteps, tuneGain)
}

// tuneSteps is how many steps of the same key are timed together: with the
// weights of several layers, a cache holds less of them.
const tuneSteps = 4

// tuneGain is how much faster than the first shape another must be to be chosen;
// below it the difference may be noise.
const tuneGain = 0.97

// measured is a matmul to time: its step and a tensor of its output's size.
type measured struct {
	at int
	y  model.ID
}

// Tune measures every shape for the plan's matmuls that have no choice yet. time
// runs dispatches on the plan's memory, one after the other, for all tokens of
// the plan and returns the shortest of a few times; a shape whose dispatches fail
// is passed over. Afterwards the plan has to be lowered anew.
func (k *Kernels) Tune(l *Lowering, time func(ds []Dispatch) (time.Duration, error)) error {
	steps, order := map[string][]measured{}, []string(nil)
	for at := 0; at < len(l.Plan.Steps); {
		if l.Plan.Steps[at].Op != model.MatMul {
			at++
			continue
		}
		t := gather(l, at)
		t.fuse(k)
		for i := range t.n {
			s := t.step(i)
			if s.Op != model.MatMul {
				continue
			}
			key := TuneKey(l.Weight(s.Src[0]), l.Plan.Rows(s.Dst, l.Size))
			if k.chosen(l.Weight(s.Src[0]), l.Plan.Rows(s.Dst, l.Size)) {
				continue
			}
			if len(steps[key]) == 0 {
				order = append(order, key)
			}
			if len(steps[key]) < tuneSteps {
				steps[key] = append(steps[key], measured{at + i, t.writes(i)})
			}
		}
		at += t.n
	}
	for _, key := range order {
		if err := k.tune(l, key, steps[key], time); err != nil {
			return err
		}
	}
	return nil
}

// tune decides one key by timing the steps in every shape, without what is fused
// into them.
func (k *Kernels) tune(l *Lowering, key string, steps []measured, time func([]Dispatch) (time.Duration, error)) error {
	s := &l.Plan.Steps[steps[0].at]
	info := l.Weight(s.Src[0])
	shapes := k.Shapes(info, l.Plan.Rows(s.Dst, l.Size))
	best, least, fault := -1, 0.0, error(nil)
	for i := range shapes {
		k.tuned[key] = shapes[i]
		var ds []Dispatch
		for _, m := range steps {
			w := newLowered(k, l, m.at)
			p, err := w.product(w.s)
			if err != nil {
				return err
			}
			p.y = write(m.y)
			if err := w.multiply(p); err != nil {
				return err
			}
			ds = append(ds, w.ds...)
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
	k.tuned[key] = shapes[best]
	return nil
}
