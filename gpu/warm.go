package gpu

import (
	"eclat/gpu/lower"
	"eclat/gpu/vk"
)

// warm runs each kernel that no program has run yet once with nothing to do. Software
// drivers turn a pipeline into machine code when it is first dispatched, which takes
// longer than all else before the first token; so it is part of compiling, where it
// is told of, and not of a run, whose time is measured. The inputs are all zero then:
// no tokens, no answers, and every kernel returns at once.
func (p *program) warm() error {
	if p.b.info.Type != vk.Software {
		return nil
	}
	type cold struct {
		d    *lower.Dispatch
		pipe *vk.Pipeline
		name string
	}
	var list []cold
	next := 0
	for _, g := range p.groups {
		for i := range g.Dispatches {
			pipe := p.pipes[next]
			if next++; !p.b.warmed[pipe] {
				p.b.warmed[pipe] = true
				list = append(list, cold{&g.Dispatches[i], pipe, p.stepName(g.Step)})
			}
		}
	}
	for n, c := range list {
		if err := p.idle(c.d, c.pipe, c.name); err != nil {
			return err
		}
		p.b.progress("kernels", int64(n+1), int64(len(list)))
	}
	return nil
}

// idle runs one dispatch with nothing to do.
func (p *program) idle(d *lower.Dispatch, pipe *vk.Pipeline, name string) error {
	var close []func()
	defer unwind(&close)
	r, err := p.b.record()
	if err != nil {
		return err
	}
	sized := 0
	if err := p.dispatch(r, d, pipe, &sized, &close); err != nil {
		if c, e := r.End(); e == nil {
			c.Close()
		}
		return err
	}
	return p.b.once(r, name)
}
