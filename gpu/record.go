package gpu

import (
	"fmt"
	"time"

	"eclat/gpu/vk"
)

// record writes the descriptor sets and records the command buffers: one, or as
// many as keep each submit's estimated time below the limit.
func (p *program) record() error {
	limit := p.b.submitTime()
	p.recorded, p.segments = len(p.close), nil
	var (
		r       *vk.Recorder
		h       hazards
		spent   time.Duration
		seg     segment
		used    []access
		sized   int // indirect dispatches so far
		nextOne int // pipeline
	)
	begin := func(name string) (err error) {
		if r, err = p.b.dev.NewRecorder(); err != nil {
			return fmt.Errorf("gpu: %w", err)
		}
		// What earlier submits wrote, of this program or another, is seen from here on.
		r.Barrier()
		h, spent, seg = hazards{}, 0, segment{first: name}
		return nil
	}
	end := func(name string) (err error) {
		if seg.cmd, err = r.End(); err != nil {
			return fmt.Errorf("gpu: %w", err)
		}
		seg.last = name
		p.close = append(p.close, seg.cmd.Close)
		p.segments = append(p.segments, seg)
		r = nil
		return nil
	}
	if err := begin(p.stepName(0)); err != nil {
		return err
	}
	if id := p.plan.Hidden; id >= 0 {
		s := p.place[id]
		r.Copy(p.inputs, int64(p.in.Hidden)*4, p.act, s.at, tensorBytes(p.plan, id))
		r.Barrier()
	}
	for gi, g := range p.groups {
		for i := range g.ds {
			d, pipe := &g.ds[i], p.pipes[nextOne]
			nextOne++
			cost := p.b.rates.time(d)
			if r != nil && spent > 0 && spent+cost > limit {
				if err := end(p.stepName(max(0, g.step-1))); err != nil {
					return err
				}
				if err := begin(p.stepName(g.step)); err != nil {
					return err
				}
			}
			spent += cost
			seg.dispatches++
			used = used[:0]
			for _, b := range d.Bind {
				if b.Mem == WeightOf || b.Mem == Inputs0 { // never written within a run
					continue
				}
				reg, err := p.region(b)
				if err != nil {
					return fmt.Errorf("%w (kernel %s, %s)", err, d.Kernel, p.stepName(g.step))
				}
				used = append(used, access{reg.buf, reg.off, reg.off + reg.size, b.Write, gi})
			}
			if h.barrier(used, d.Beside) {
				r.Barrier()
			}
			if err := p.dispatch(r, d, pipe, &sized, &p.close); err != nil {
				return fmt.Errorf("%w (%s)", err, p.stepName(g.step))
			}
		}
	}
	if p.back != nil && p.tokens == nil {
		r.Barrier()
		r.Copy(p.act, p.place[p.plan.Result].at, p.back, 0, int64(len(p.result))*4)
	}
	return end(p.stepName(len(p.plan.Steps) - 1))
}

// dispatch records one dispatch with a descriptor set of its own, which it leaves
// on the clean-up stack. sized counts the dispatches whose size the host writes.
func (p *program) dispatch(r *vk.Recorder, d *Dispatch, pipe *vk.Pipeline, sized *int, close *[]func()) error {
	var binds [32]vk.Binding
	for i, b := range d.Bind {
		reg, err := p.region(b)
		if err != nil {
			return err
		}
		binds[i] = vk.Binding{Buffer: reg.buf, Offset: reg.off, Size: reg.size}
	}
	set, err := p.b.dev.NewSet(pipe, binds[:len(d.Bind)])
	if err != nil {
		return fmt.Errorf("gpu: %w", err)
	}
	*close = append(*close, set.Close)
	if d.Indirect == nil {
		r.Dispatch(pipe, set, d.Push, d.Groups[0], d.Groups[1], d.Groups[2])
		return nil
	}
	r.DispatchIndirect(pipe, set, d.Push, p.inputs, int64(p.in.Indirect)*4+int64(*sized)*16)
	*sized++
	return nil
}
