package admin

import (
	"context"
	"net/http"

	"eclat/engine"
	"eclat/engine/bench"
	"eclat/engine/stats"
	"eclat/serve/core"
	"eclat/serve/field"
)

// served is the device that stands for the chain of devices which serves the model.
const served = "auto"

// row is a test's result, by the names of eclat bench -o json.
type row struct {
	Test      string    `json:"test"`
	Device    string    `json:"device"`
	NPrompt   int       `json:"n_prompt"`
	NGen      int       `json:"n_gen"`
	NDepth    int       `json:"n_depth"`
	AvgNS     int64     `json:"avg_ns"`
	AvgTS     float64   `json:"avg_ts"`
	StdTS     float64   `json:"stddev_ts"`
	SamplesTS []float64 `json:"samples_ts"`
	FirstNS   int64     `json:"ttft_ns"` // time to the first token after this prompt; 0 for generating
	OfLimit   float64   `json:"of_limit"`
}

func rowOf(r *bench.Result, device string) row {
	out := row{Test: r.Name(), Device: device, NPrompt: r.Prompt, NGen: r.Gen, NDepth: r.Depth, SamplesTS: r.Rates(), OfLimit: r.OfLimit,
		AvgNS: int64(stats.Mean(r.Seconds()) * 1e9)}
	out.AvgTS, out.StdTS = r.Rate()
	if r.Prompt > 0 {
		out.FirstNS = out.AvgNS
	}
	return out
}

// bench measures tokens a second.
func (a *admin) bench(x *core.Exchange) error {
	o, err := x.Fields()
	if err != nil {
		return err
	}
	name, device := o.Text("model", maxName), textOr(o, "device", served)
	tests := bench.Tests(lengths(o, "prompt", 512), lengths(o, "generate", 128), lengths(o, "depth", 0))
	repeat := o.Int("repeat", 3, 1, 100)
	if err := o.End(); err != nil {
		return err
	}
	if len(tests) == 0 {
		return core.Wrong("prompt", "and generate name nothing to measure")
	}
	m, err := a.fits(x, name, device, "prompt", bench.Context(tests))
	if err != nil {
		return err
	}
	return a.run(x, func(ctx context.Context, p *progress, tell func(v any)) error {
		e, done, err := a.engine(ctx, m, device, core.Alone{Context: bench.Context(tests)}, p)
		if err != nil {
			return err
		}
		defer done()
		b := bench.Options{Repeat: repeat, Done: &p.done}
		at := 0
		p.say(tests[0].Name())
		b.Each = func(r bench.Result) {
			tell(map[string]row{"row": rowOf(&r, e.Device())})
			if at++; at < len(tests) {
				p.say(tests[at].Name())
			}
		}
		p.set(0, bench.Total(tests, b))
		_, err = bench.Measure(ctx, e, tests, b)
		return err
	})
}

// lengths are numbers of tokens.
func lengths(o *field.Object, key string, absent int) (list []int) {
	if !o.Has(key) {
		o.Without(key)
		return []int{absent}
	}
	for _, v := range o.List(key, maxList) {
		n, err := v.Whole(0, longest)
		o.Fail(err)
		list = append(list, int(n))
	}
	if len(list) == 0 {
		o.Failf(key, "has no number")
	}
	return list
}

func textOr(o *field.Object, key, absent string) string {
	if s := o.Text(key, maxID); s != "" {
		return s
	}
	return absent
}

// fits opens the model that is to be measured, and refuses a device that there is not, and
// more tokens than its context holds.
func (a *admin) fits(x *core.Exchange, name, device, field string, tokens int) (*core.Model, error) {
	if device != served && !a.knows(device) {
		return nil, core.Wrong("device", "is %.60q, which is no device of this machine", device)
	}
	m, err := x.Open(name)
	if err != nil {
		return nil, err
	}
	if tokens > m.Engine.Context {
		return nil, core.Wrong(field, "needs a context of %d tokens, %s is served with %d", tokens, m.Name, m.Engine.Context)
	}
	return m, nil
}

// knows reports whether the machine has a device of that ID.
func (a *admin) knows(id string) bool {
	for _, d := range a.devices() {
		if d.ID == id {
			return true
		}
	}
	return false
}

// engine is the engine that serves a model, or one of its own for another device, which
// done closes.
func (a *admin) engine(ctx context.Context, m *core.Model, device string, o core.Alone, p *progress) (e *engine.Engine, done func(), err error) {
	if device == served {
		return m.Engine, func() {}, nil
	}
	if a.core.Machine.Open == nil {
		return nil, nil, missing("open models on other devices")
	}
	p.say("Loading on " + device)
	e, err = a.core.Machine.Open(ctx, m.Name, m.Path, device, o)
	if err != nil {
		return nil, nil, opening(err, device)
	}
	return e, func() { e.Close() }, nil
}

// opening is the error of a device that a model could not be opened on.
func opening(err error, device string) error {
	e := core.Of(err)
	if e.Status == http.StatusInternalServerError {
		e = core.Errorf(http.StatusServiceUnavailable, "%v", err)
	}
	out := *e
	out.Message = device + ": " + e.Message
	return &out
}
