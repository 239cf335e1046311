package gpu

import (
	"fmt"
	"slices"
	"time"

	"eclat/gpu/vk"
	"eclat/model"
)

// StepTime is how long one dispatch took.
type StepTime struct {
	Step   int    // of the plan; the first of those fused into the dispatch
	Tensor string // that the step writes
	Kernel string
	Time   time.Duration
	Bytes  int64 // moved, and
	Flops  int64 // computed, where the kernel says
}

// Profile runs a compiled plan of this backend once with a timestamp after every
// dispatch, each waiting for the one before, and returns their times in order. The
// dispatches that a run leaves out have a time near zero.
func (b *Backend) Profile(prog model.Program, in model.Inputs) ([]StepTime, error) {
	p, ok := prog.(*program)
	switch {
	case !ok || p.b != b:
		return nil, fmt.Errorf("gpu: the program is not of this backend")
	case b.info.Limits.TimestampBits == 0:
		return nil, fmt.Errorf("gpu: %s has no timestamps: %w", b.info.Name, vk.ErrNotSupported)
	case b.lost != nil:
		return nil, b.lost
	}
	if err := p.plan.Check(&in); err != nil {
		return nil, err
	}
	if err := p.write(&in); err != nil {
		return nil, err
	}
	return p.profile()
}

// profile runs all groups with timestamps; the inputs are written.
func (p *program) profile() ([]StepTime, error) {
	var steps []StepTime
	sized, pipes := 0, p.pipes
	for _, g := range p.groups {
		t, err := p.profileGroup(&g, pipes[:len(g.ds)], &sized)
		if err != nil {
			return nil, err
		}
		steps, pipes = append(steps, t...), pipes[len(g.ds):]
	}
	return steps, nil
}

// profiled is a run of a plan with Profile set: it fills stepTime and copies the
// result back, which submit's command buffers do otherwise.
func (p *program) profiled() error {
	steps, err := p.profile()
	if err != nil {
		return err
	}
	clear(p.stepTime)
	for _, s := range steps {
		p.stepTime[s.Step] += s.Time
	}
	if p.back == nil {
		return nil
	}
	r, err := p.b.dev.NewRecorder()
	if err != nil {
		return fmt.Errorf("gpu: %w", err)
	}
	r.Barrier()
	r.Copy(p.act, p.place[p.plan.Result].at, p.back, 0, int64(len(p.result))*4)
	return p.b.once(r)
}

// profileGroup times the dispatches of one group in a command buffer of their own.
func (p *program) profileGroup(g *group, pipes []*vk.Pipeline, sized *int) ([]StepTime, error) {
	var close []func()
	defer func() {
		for _, f := range slices.Backward(close) {
			f()
		}
	}()
	r, err := p.b.dev.NewRecorder()
	if err != nil {
		return nil, fmt.Errorf("gpu: %w", err)
	}
	r.Barrier()
	if id := p.plan.Hidden; id != model.None && g.step == 0 {
		r.Copy(p.inputs, int64(p.in.Hidden)*4, p.act, p.place[id].at, tensorBytes(p.plan, id))
		r.Barrier()
	}
	r.Timestamp(0)
	var steps []StepTime
	var fault error
	for i := range g.ds {
		d := &g.ds[i]
		if fault = p.dispatch(r, d, pipes[i], sized, &close); fault != nil {
			break
		}
		r.Barrier()
		r.Timestamp(i + 1)
		steps = append(steps, StepTime{Step: g.step, Tensor: p.stepName(g.step), Kernel: d.Kernel, Bytes: d.Bytes, Flops: d.Flops})
	}
	c, err := r.End()
	if err != nil {
		return nil, fmt.Errorf("gpu: %w", err)
	}
	close = append(close, c.Close)
	if fault != nil {
		return nil, fault
	}
	if err := p.b.start(c, p.stepName(g.step)); err != nil {
		return nil, p.b.failed(err, p.stepName(g.step), p.stepName(g.step))
	}
	if err := p.b.dev.Wait(c); err != nil {
		return nil, p.b.failed(err, p.stepName(g.step), p.stepName(g.step))
	}
	times, err := c.Timestamps(nil)
	if err != nil {
		return nil, fmt.Errorf("gpu: %w", err)
	}
	for i := range steps {
		steps[i].Time = times[i+1] - times[i]
	}
	return steps, nil
}
