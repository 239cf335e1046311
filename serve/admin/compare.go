package admin

import (
	"context"
	"errors"

	"eclat/engine"
	"eclat/engine/compare"
	"eclat/serve/core"
)

// sample is what is compared: plain prose that any vocabulary can write. It is repeated
// where more tokens are asked for.
const sample = `The sun had not yet risen when the two of them left the harbour. Nobody spoke.
Seventeen gulls followed the boat as far as the lighthouse; then the wind turned, and they were alone
with 300 miles of open water between them and the nearest town. `

// compare tells how equal two devices' numbers are.
func (a *admin) compare(x *core.Exchange) error {
	o, err := x.Fields()
	if err != nil {
		return err
	}
	name, device, against := o.Text("model", maxName), textOr(o, "device", served), textOr(o, "against", "ref")
	n := o.Int("tokens", 64, 1, 4096)
	if err := o.End(); err != nil {
		return err
	}
	if against != served && !a.knows(against) {
		return core.Wrong("against", "is %.60q, which is no device of this machine", against)
	}
	m, err := a.fits(x, name, device, "tokens", n)
	if err != nil {
		return err
	}
	text := sample
	for len(text) < 16*n {
		text += sample
	}
	ids := m.Engine.Prompt(text, false)
	ids = ids[:min(n, len(ids))]
	return a.run(x, func(ctx context.Context, p *progress, tell func(v any)) error {
		got, closeGot, err := a.side(ctx, m, device, ids, p)
		if err != nil {
			return err
		}
		defer closeGot()
		want, closeWant, err := a.side(ctx, m, against, ids, p)
		if err != nil {
			return err
		}
		defer closeWant()
		p.say("Comparing")
		r, err := compare.Run(ctx, got, want, compare.DefaultLimits, p.set)
		if err != nil {
			return err
		}
		tell(map[string]*compare.Result{"result": short(r)})
		return nil
	})
}

// side computes the tokens on a device.
func (a *admin) side(ctx context.Context, m *core.Model, device string, ids []int32, p *progress) (compare.Side, func(), error) {
	e, done, err := a.engine(ctx, m, device, core.Alone{Context: len(ids), Probe: func(e *engine.Engine) (engine.ProbeOptions, error) {
		return compare.Probe(e, len(ids), 0), nil
	}}, p)
	if err != nil {
		return nil, nil, err
	}
	live, err := compare.NewLive(ctx, e, ids, 0)
	if err != nil {
		done()
		if errors.Is(err, engine.ErrMemory) {
			err = core.Errorf(503, "there is no memory for every activation beside what is served: %v; ask for fewer tokens, or name the device", err)
		}
		return nil, nil, err
	}
	return live, func() { live.Close(); done() }, nil
}

// short leaves out of a result what is long and the page does not show: the text's tokens
// and the table of all tensors.
func short(r *compare.Result) *compare.Result {
	out := *r
	got, want := *r.Got, *r.Want
	got.Tokens, got.Tensors, want.Tokens, want.Tensors = nil, nil, nil, nil
	out.Got, out.Want, out.Tensors = &got, &want, nil
	return &out
}
