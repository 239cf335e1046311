package admin

import (
	"context"
	"errors"
	"fmt"

	"eclat/model"
	"eclat/model/conformance"
	"eclat/serve/core"
)

// checked is what a check found, as it is told.
type checked struct {
	Device     string    `json:"device"`
	Bits       core.Bits `json:"bits"`
	Kernels    int       `json:"kernels"`
	Difference string    `json:"difference"`
}

// check asks every kernel of a device the questions whose right answers are known.
func (a *admin) check(x *core.Exchange) error {
	o, err := x.Fields()
	if err != nil {
		return err
	}
	device := o.Text("device", maxID)
	if err := o.End(); err != nil {
		return err
	}
	if !a.knows(device) {
		return core.Wrong("device", "is %.60q, which is no device of this machine", device)
	}
	if a.core.Machine.Backend == nil {
		return missing("check devices")
	}
	return a.run(x, func(ctx context.Context, p *progress, tell func(v any)) error {
		p.say("Asking the kernels of " + device)
		found, err := ask(ctx, func() (model.Backend, error) { return a.core.Machine.Backend(ctx, device) },
			func() (model.Backend, error) { return a.core.Machine.Backend(ctx, "ref") }, p.set)
		if err != nil {
			return err
		}
		a.core.Checked(device, found)
		tell(map[string]checked{"check": {device, found.Bits, found.Kernels, found.Difference}})
		return nil
	})
}

// ask asks a device all questions; what it does not support is not asked.
func ask(ctx context.Context, open, ref conformance.Opener, progress func(done, of int64)) (core.Check, error) {
	list := conformance.Questions()
	equal, near, wrong, worst := 0, 0, 0, 0.
	first := ""
	for i, q := range list {
		if err := ctx.Err(); err != nil {
			return core.Check{}, err
		}
		progress(int64(i), int64(len(list)))
		answer, err := q.Answer(open)
		lacks := model.UnsupportedError{}
		switch {
		case errors.As(err, &lacks):
			continue
		case err != nil:
			return core.Check{}, err
		case answer == q.Right():
			equal++
			continue
		}
		off, err := q.Compare(ref, open)
		if err != nil {
			return core.Check{}, err
		}
		if first == "" {
			first = q.Name
		}
		if worst = max(worst, off); off <= conformance.LimitQuant {
			near++
		} else {
			wrong++
		}
	}
	found := core.Check{Bits: core.BitsEqual, Kernels: equal}
	switch {
	case wrong > 0:
		found.Bits, found.Difference = core.BitsWrong, fmt.Sprintf("%d of %d kernels answer wrongly, the first %s.", wrong, equal+near+wrong, first)
	case near > 0:
		found.Bits, found.Difference = core.BitsLimits, fmt.Sprintf("%d of %d kernels are off by a normalised squared error of at most %.1e, the first %s.", near, equal+near, worst, first)
	}
	return found, nil
}
