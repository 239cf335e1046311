package gpu

import (
	"fmt"
	"time"

	"eclat/gpu/vk"
)

// record writes the descriptor sets and records the command buffers: one, or as
// many as keep each submit's estimated time below the limit.
func (p *program) record(pipes []*vk.Pipeline) error {
	limit := p.b.opt.SubmitTime
	if limit == 0 {
		limit = 100 * time.Millisecond
	}
	var (
		r       *vk.Recorder
		h       hazards
		spent   time.Duration
		seg     segment
		binds   []vk.Binding
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
		size := int64(p.plan.Tensors[id].Rows) * int64(p.plan.Tensors[id].Cols) * 4
		r.Copy(p.inputs, int64(p.in.Hidden)*4, p.act, s.at, size)
		r.Barrier()
	}
	for gi, g := range p.groups {
		for i := range g.ds {
			d, pipe := &g.ds[i], pipes[nextOne]
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
			binds, used = binds[:0], used[:0]
			for _, b := range d.Bind {
				reg, err := p.region(b)
				if err != nil {
					return fmt.Errorf("%w (kernel %s, %s)", err, d.Kernel, p.stepName(g.step))
				}
				binds = append(binds, vk.Binding{Buffer: reg.buf, Offset: reg.off, Size: reg.size})
				if b.Mem != WeightOf && b.Mem != Inputs0 {
					used = append(used, access{reg.buf, reg.off, reg.off + reg.size, b.Write, gi})
				}
			}
			set, err := p.b.dev.NewSet(pipe, binds)
			if err != nil {
				return fmt.Errorf("gpu: %s: %w", p.stepName(g.step), err)
			}
			p.close = append(p.close, set.Close)
			if h.barrier(used, d.Beside) {
				r.Barrier()
			}
			if d.Indirect != nil {
				r.DispatchIndirect(pipe, set, d.Push, p.inputs, int64(p.in.Indirect)*4+int64(sized)*16)
				sized++
			} else {
				r.Dispatch(pipe, set, d.Push, d.Groups[0], d.Groups[1], d.Groups[2])
			}
		}
	}
	if p.back != nil {
		r.Barrier()
		r.Copy(p.act, p.place[p.plan.Result].at, p.back, 0, int64(len(p.result))*4)
	}
	return end(p.stepName(len(p.plan.Steps) - 1))
}
