package gpu

import (
	"fmt"
	"time"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/model"
)

// record writes the descriptor sets and records the command buffers: one, or as
// many as keep each submit's estimated time below the limit.
func (p *program) record() (err error) {
	limit := p.b.submitTime()
	defer func() {
		if err != nil {
			p.unrecord()
		}
	}()
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
		// What earlier submits wrote, of this program or another, is seen from here on.
		if r, err = p.b.record(); err != nil {
			return err
		}
		h, spent, seg = hazards{}, 0, segment{first: name}
		return nil
	}
	end := func(name string) (err error) {
		if seg.cmd, err = r.End(); err != nil {
			return errorf("%w", err)
		}
		seg.last = name
		p.recorded = append(p.recorded, seg.cmd.Close)
		p.segments = append(p.segments, seg)
		r = nil
		return nil
	}
	if err := begin(p.stepName(0)); err != nil {
		return err
	}
	p.takeRows(r)
	for gi, g := range p.groups {
		for i := range g.Dispatches {
			d, pipe := &g.Dispatches[i], p.pipes[nextOne]
			nextOne++
			cost := p.b.rates.time(d)
			if r != nil && spent > 0 && spent+cost > limit {
				if err := end(p.stepName(max(0, g.Step-1))); err != nil {
					return err
				}
				if err := begin(p.stepName(g.Step)); err != nil {
					return err
				}
			}
			spent += cost
			seg.dispatches++
			used = used[:0]
			for _, b := range d.Bind {
				if b.Mem == lower.WeightOf || b.Mem == lower.Inputs0 { // never written within a run
					continue
				}
				reg, err := p.region(b)
				if err != nil {
					return fmt.Errorf("%w (kernel %s, %s)", err, d.Kernel, p.stepName(g.Step))
				}
				used = append(used, access{reg.buf, reg.off, reg.off + reg.size, b.Write, gi})
			}
			if h.barrier(used, d.Beside) {
				r.Barrier()
			}
			if err := p.dispatch(r, d, pipe, &sized, &p.recorded); err != nil {
				return fmt.Errorf("%w (%s)", err, p.stepName(g.Step))
			}
		}
	}
	rows := p.Place[p.plan.Answer()]
	if back := p.ws.back; back != nil && p.tokens == nil {
		r.Barrier()
		r.Copy(p.ws.mem, rows.At, back, 0, p.Answer)
	}
	if err := end(p.stepName(len(p.plan.Steps) - 1)); err != nil {
		return err
	}
	if p.ws.back == nil {
		p.answer = p.ws.mem.Floats()[rows.At/4:][: p.Answer/4 : p.Answer/4]
		return nil
	}
	p.answer = p.ws.back.Floats()[: p.Answer/4 : p.Answer/4]
	if p.tokens == nil {
		return nil
	}
	if err := begin("logits"); err != nil {
		return err
	}
	r.Copy(p.ws.mem, rows.At, p.ws.back, 0, p.Answer)
	if p.fetch, err = r.End(); err != nil {
		return errorf("%w", err)
	}
	p.recorded = append(p.recorded, p.fetch.Close)
	return nil
}

// takeRows copies the rows that a stage takes from the inputs to their activation.
func (p *program) takeRows(r *vk.Recorder) {
	if id := p.plan.Hidden; id != model.None {
		n := int64(p.opt.Tokens) * int64(p.plan.Tensors[id].Cols) * 4
		r.Copy(p.inputs, int64(p.In.Rows)*4, p.ws.mem, p.Place[id].At, n)
		r.Barrier()
	}
}

// dispatch records one dispatch with a descriptor set of its own, which it leaves
// on the clean-up stack. sized counts the dispatches whose size the host writes.
func (p *program) dispatch(r *vk.Recorder, d *lower.Dispatch, pipe *vk.Pipeline, sized *int, close *[]func()) error {
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
		return errorf("%w", err)
	}
	*close = append(*close, set.Close)
	if d.Indirect == nil {
		r.Dispatch(pipe, set, d.Push, d.Groups[0], d.Groups[1], d.Groups[2])
		return nil
	}
	r.DispatchIndirect(pipe, set, d.Push, p.inputs, int64(p.In.Indirect)*4+int64(*sized)*16)
	*sized++
	return nil
}
