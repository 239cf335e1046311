package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"eclat/engine"
	"eclat/model"
)

// Device is what was measured of a model on its device, or devices.
type Device struct {
	Name      string // as the engine describes it
	Parts     []Part
	Load      time.Duration
	MatMul    float64 // floating-point operations a second; 0 where not measured
	HostPeak  int64   // bytes of main memory at most, mapped weights included; 0 unknown
	GPUMemory int64   // bytes on GPUs; 0 without one
	Results   []Result
	Kernels   *Profile // nil unless asked for
	Unknown   error    // why a limit could not be measured; nil where all were
}

// Part is one device of a chain.
type Part struct {
	engine.Facts
	Copy float64 // bytes a second, each copied byte counted as read and written; 0 where not measured
}

// Measure runs the tests on an open model and sets them against the limits of its
// devices. The limits are measured before and after and the better counts: what
// else a machine does can only hide what it is able to. What was measured before an
// error is returned with it.
func Measure(ctx context.Context, e *engine.Engine, tests []Test, o Options) (*Device, error) {
	d := &Device{Name: e.Device, Load: e.LoadTime}
	for _, f := range e.Facts() {
		d.Parts = append(d.Parts, Part{Facts: f})
	}
	err := d.measureLimits(ctx, e)
	if err != nil {
		return d, err
	}
	ResetPeak() // the limits' buffers are not the model's
	d.Results, err = Run(ctx, e, tests, o)
	d.HostPeak = hostPeak()
	for _, p := range d.Parts {
		if p.Memory != nil {
			d.GPUMemory += p.Memory()
		}
	}
	if err == nil {
		err = d.measureLimits(ctx, e)
	}
	if err != nil {
		return d, err
	}
	return d, d.setLimits(e)
}

// measureLimits keeps the better of what it measures and what is known. A limit
// that cannot be measured, for want of memory beside the model, stays unknown.
func (d *Device) measureLimits(ctx context.Context, e *engine.Engine) error {
	defer debug.FreeOSMemory()
	note := func(what string, err error) error {
		if errors.Is(err, engine.ErrLost) {
			return fmt.Errorf("%s: %w", what, err)
		}
		d.Unknown = fmt.Errorf("%s: %w", what, err)
		return nil
	}
	for i := range d.Parts {
		p := &d.Parts[i]
		if p.CopyRate == nil {
			continue
		}
		rate, err := p.CopyRate()
		if err != nil {
			if err := note("copy bandwidth of "+p.Name, err); err != nil {
				return err
			}
		}
		p.Copy = max(p.Copy, rate)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if len(d.Parts) > 1 {
		return nil // a prompt has no one device's rate
	}
	// What a device does best is its rate, whatever the number of tokens.
	for _, n := range []int{32, 64, 128, e.Chunk} {
		rate, err := e.MatMulRate(n, 200*time.Millisecond)
		if err != nil {
			return note("matmul rate", err)
		}
		d.MatMul = max(d.MatMul, rate)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// setLimits sets the results against the limits.
func (d *Device) setLimits(e *engine.Engine) error {
	steps, err := e.Steps()
	if err != nil {
		return err
	}
	w := newWork(&e.Model.Config, steps)
	for i := range d.Results {
		r := &d.Results[i]
		var least float64 // seconds that the limit would allow
		if r.Gen > 0 {
			least = w.copyTime(d.Parts, r.Test)
		} else if d.MatMul > 0 {
			least = w.flops(r.Test) / d.MatMul
		}
		rate, _ := r.Rate()
		r.OfLimit = least * rate / float64(r.tokens())
	}
	return nil
}

// work is what a token costs.
type work struct {
	layer  []int64 // bytes of weights in each layer
	ends   [2]int64
	cache  []int64 // bytes of key–value memory in each layer and position
	prompt float64 // floating-point operations of a prompt's token without attention
	attend float64 // of attention for each position before it
}

func newWork(c *model.Config, steps []engine.ProbeStep) *work {
	w := &work{layer: make([]int64, c.NLayer), cache: make([]int64, c.NLayer)}
	end := 0 // before the layers
	for _, s := range steps {
		if s.Layer < 0 {
			w.ends[end] += s.Fixed + s.Row
			continue
		}
		end = 1
		w.layer[s.Layer] += s.Fixed
		w.cache[s.Layer] += s.Cache
		if s.Op == model.MatMul {
			block, bytes := s.Type.Block()
			w.prompt += 2 * float64(s.Fixed) / float64(bytes) * float64(block)
		}
	}
	// Scores and weighted sum, a multiplication and an addition each.
	w.attend = 2 * float64(c.NLayer) * float64(c.NHead) * float64(c.HeadDimK+c.HeadDimV)
	return w
}

// flops of reading a prompt: the products of all layers, and attention over the
// positions before each token. The output matrix is used once, for the last token.
func (w *work) flops(t Test) float64 {
	n := float64(t.Prompt)
	return n*w.prompt + w.attend*n*(float64(t.Depth)+(n+1)/2)
}

// copyTime is how long the devices would take to read, at their copy bandwidth,
// all that a text's tokens have to read: the weights once a token, and keys and
// values of all positions before. 0 where a bandwidth is not known.
func (w *work) copyTime(parts []Part, t Test) float64 {
	var seconds float64
	at := 0
	positions := float64(t.Depth) + (float64(t.Gen)+1)/2
	for i, p := range parts {
		if p.Copy == 0 {
			return 0
		}
		var bytes float64
		for l := at; l < at+p.Layers; l++ {
			bytes += float64(w.layer[l]) + float64(w.cache[l])*positions
		}
		if at += p.Layers; i == 0 {
			bytes += float64(w.ends[0])
		}
		if i == len(parts)-1 {
			bytes += float64(w.ends[1])
		}
		seconds += bytes / p.Copy
	}
	return seconds * float64(t.Gen)
}
