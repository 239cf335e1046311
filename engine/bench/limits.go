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
	// How fast it moves its main memory, in bytes a second: one of the two, or neither.
	Read float64 // by reads, where the device has such a rate
	Copy float64 // else by copies, each copied byte counted as read and written
}

// Measure runs the tests on an open model and sets them against the limits of its
// devices. The limits are measured before and after and the better counts: what
// else a machine does can only hide what it is able to. What was measured before an
// error is returned with it.
func Measure(ctx context.Context, e *engine.Engine, tests []Test, o Options) (*Device, error) {
	d := &Device{Name: e.Device(), Load: e.LoadTime}
	facts, err := e.Facts(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range facts {
		d.Parts = append(d.Parts, Part{Facts: f})
	}
	if err := d.measureLimits(ctx, e); err != nil {
		return d, err
	}
	w, err := workOf(e)
	if err != nil {
		return d, err
	}
	if each := o.Each; each != nil {
		o.Each = func(r Result) {
			d.setLimit(w, &r)
			each(r)
		}
	}
	ResetPeak() // the limits' buffers are not the model's
	d.Results, err = Run(ctx, e, tests, o)
	d.HostPeak = hostPeak()
	if err == nil {
		err = d.gpuMemory(ctx, e)
	}
	if err == nil {
		err = d.measureLimits(ctx, e)
	}
	if err != nil {
		return d, err
	}
	for i := range d.Results {
		d.setLimit(w, &d.Results[i])
	}
	return d, nil
}

// gpuMemory sums what the GPUs hold now.
func (d *Device) gpuMemory(ctx context.Context, e *engine.Engine) error {
	facts, err := e.Facts(ctx)
	for _, f := range facts {
		if f.GPU() {
			d.GPUMemory += f.Held
		}
	}
	return err
}

// measureLimits keeps the better of what it measures and what is known. A limit
// that cannot be measured, for want of memory beside the model, stays unknown.
func (d *Device) measureLimits(ctx context.Context, e *engine.Engine) error {
	defer debug.FreeOSMemory()
	note := func(what string, err error) error {
		if errors.Is(err, engine.ErrLost) || ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		d.Unknown = fmt.Errorf("%s: %w", what, err)
		return nil
	}
	for i := range d.Parts {
		p := &d.Parts[i]
		what, best := "read bandwidth of ", &p.Read
		rate, err := Rate(ctx, p.ReadRate)
		if err == nil && rate == 0 {
			what, best = "copy bandwidth of ", &p.Copy
			rate, err = Rate(ctx, p.CopyRate)
		}
		if err != nil {
			if err := note(what+p.Name, err); err != nil {
				return err
			}
		}
		*best = max(*best, rate)
	}
	if len(d.Parts) > 1 {
		return nil // a prompt has no one device's rate
	}
	// What a device does best is its rate, whatever the number of tokens.
	for _, n := range []int{32, 64, 128, e.Chunk} {
		rate, err := e.MatMulRate(ctx, n, 200*time.Millisecond)
		if err != nil {
			return note(fmt.Sprintf("matmul rate of %d tokens", n), err)
		}
		d.MatMul = max(d.MatMul, rate)
	}
	return nil
}

// Rate is what measure returns, or ctx's error as soon as ctx ends: measuring
// cannot be cancelled and may take seconds on a slow device.
func Rate(ctx context.Context, measure func() (float64, error)) (rate float64, err error) {
	done := make(chan struct{})
	var r float64
	var fault error
	go func() {
		defer close(done)
		r, fault = measure()
	}()
	select {
	case <-done:
		return r, fault
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// setLimit sets a result against the limits.
func (d *Device) setLimit(w *work, r *Result) {
	var least float64 // seconds that the limit would allow
	if r.Gen > 0 {
		least = w.readTime(d.Parts, r.Test)
	} else if d.MatMul > 0 {
		least = w.flops(r.Test) / d.MatMul
	}
	rate, _ := r.Rate()
	r.OfLimit = least * rate / float64(r.tokens())
}

// workOf is the work of an open model.
func workOf(e *engine.Engine) (*work, error) {
	steps, err := e.Steps()
	if err != nil {
		return nil, err
	}
	return newWork(&e.Model.Config, steps), nil
}

// work is what a token costs.
type work struct {
	layers []layerWork
	ends   [2]int64 // bytes of weights before and after the layers
	prompt float64  // floating-point operations of a prompt's token without attention
}

// layerWork is a layer's share of it.
type layerWork struct {
	bytes  int64   // of weights
	cache  int64   // bytes of key–value memory for each position that is seen
	attend float64 // floating-point operations of attention for each position that is seen
	window int     // positions that are seen; 0 for all
}

func newWork(c *model.Config, steps []engine.ProbeStep) *work {
	w := &work{layers: make([]layerWork, c.NLayer)}
	for l := range w.layers {
		b := c.At(l)
		// Scores and weighted sum, a multiplication and an addition each.
		if b.NHeadKV > 0 {
			w.layers[l] = layerWork{attend: 2 * float64(b.NHead) * float64(b.HeadDimK+b.HeadDimV), window: b.Window}
		}
	}
	end := 0 // before the layers
	for _, s := range steps {
		if s.Layer < 0 {
			w.ends[end] += s.Fixed + s.Row
			continue
		}
		end = 1
		l := &w.layers[s.Layer]
		l.bytes += s.Fixed + s.Row
		l.cache += s.Cache
		if s.Op == model.MatMul || s.Op == model.MatMulExperts || s.Op == model.MatMulHeads {
			block, bytes := s.Type.Block()
			w.prompt += 2 * float64(s.Fixed+s.Row) / float64(bytes) * float64(block)
		}
	}
	return w
}

// seen is how many positions n tokens see together, each itself and what stands
// before it, of which the first has before.
func seen(before, n, window int) float64 {
	if full := window - before; window > 0 && n > full { // of the tokens that see less than a window
		full = max(0, full)
		return seen(before, full, 0) + float64(n-full)*float64(window)
	}
	return float64(n) * (float64(before) + (float64(n)+1)/2)
}

// flops of reading a prompt: the products of all layers, and attention over the
// positions before each token. The output matrix is used once, for the last token.
func (w *work) flops(t Test) float64 {
	sum := float64(t.Prompt) * w.prompt
	for _, l := range w.layers {
		sum += l.attend * seen(t.before(), t.Prompt, l.window)
	}
	return sum
}

// readTime is how long the devices would take to read, at their bandwidth,
// all that a text's tokens have to read: the weights once a token, and keys and
// values of all positions before. 0 where a bandwidth is not known.
func (w *work) readTime(parts []Part, t Test) float64 {
	var seconds float64
	at := 0
	for i, p := range parts {
		rate := max(p.Read, p.Copy)
		if rate == 0 {
			return 0
		}
		var bytes float64
		for _, l := range w.layers[at : at+p.Layers] {
			bytes += float64(l.bytes)*float64(t.Gen) + float64(l.cache)*seen(t.before(), t.Gen, l.window)
		}
		if at += p.Layers; i == 0 {
			bytes += float64(w.ends[0]) * float64(t.Gen)
		}
		if i == len(parts)-1 {
			bytes += float64(w.ends[1]) * float64(t.Gen)
		}
		seconds += bytes / rate
	}
	return seconds
}
