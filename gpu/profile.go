package gpu

import (
	"context"
	"time"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
)

// stepTime is how long one dispatch took.
type stepTime struct {
	Step   int    // of the plan; the first of those fused into the dispatch
	Tensor string // that the step writes
	Kernel string
	Time   time.Duration
	Bytes  int64 // moved, and
	Flops  int64 // computed, where the kernel says
}

// profile runs all groups with a timestamp after every dispatch, each waiting for
// the one before, and returns their times in order; the inputs are written. The
// dispatches that a run leaves out have a time near zero.
func (p *program) profile(ctx context.Context) ([]stepTime, error) {
	var steps []stepTime
	sized, pipes := 0, p.pipes
	for _, g := range p.groups {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, err := p.profileGroup(&g, pipes[:len(g.Dispatches)], &sized)
		if err != nil {
			return nil, err
		}
		steps, pipes = append(steps, t...), pipes[len(g.Dispatches):]
	}
	return steps, nil
}

// profiled is a run of a plan with Profile set: it fills stepTime and copies the
// result back, which submit's command buffers do otherwise.
func (p *program) profiled(ctx context.Context) error {
	steps, err := p.profile(ctx)
	if err != nil {
		return err
	}
	clear(p.stepTime)
	for _, s := range steps {
		p.stepTime[s.Step] += s.Time
	}
	if p.ws.back == nil || p.tokens != nil {
		return nil
	}
	r, err := p.b.record()
	if err != nil {
		return err
	}
	r.Copy(p.ws.mem, p.Place[p.plan.Answer()].At, p.ws.back, 0, p.Answer)
	return p.b.once(r, "memory")
}

// profileGroup times the dispatches of one group in a command buffer of their own.
func (p *program) profileGroup(g *lower.Group, pipes []*vk.Pipeline, sized *int) ([]stepTime, error) {
	var close []func()
	defer unwind(&close)
	r, err := p.b.record()
	if err != nil {
		return nil, err
	}
	if g.Step == 0 {
		p.takeRows(r)
	}
	r.Timestamp(0)
	var steps []stepTime
	var fault error
	for i := range g.Dispatches {
		d := &g.Dispatches[i]
		if fault = p.dispatch(r, d, pipes[i], sized, &close); fault != nil {
			break
		}
		r.Barrier()
		r.Timestamp(i + 1)
		steps = append(steps, stepTime{Step: g.Step, Tensor: p.stepName(g.Step), Kernel: d.Kernel, Bytes: d.Bytes, Flops: d.Flops})
	}
	c, err := r.End()
	if err != nil {
		return nil, errorf("%w", err)
	}
	close = append(close, c.Close)
	if fault != nil {
		return nil, fault
	}
	if err := p.b.run(c, p.stepName(g.Step)); err != nil {
		return nil, err
	}
	times, err := c.Timestamps(nil)
	if err != nil {
		return nil, errorf("%w", err)
	}
	for i := range steps {
		steps[i].Time = times[i+1] - times[i]
	}
	return steps, nil
}
