package gpu

import (
	"context"
	"fmt"
	"time"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/model"
)

// Run implements model.Program: it replays the recorded plan. It allocates nothing.
func (p *program) Run(ctx context.Context, in *model.Batch, out *model.Outputs) error {
	if err := p.prepare(ctx, in); err != nil {
		return err
	}
	if p.stepTime != nil {
		if err := p.profiled(ctx); err != nil {
			return err
		}
	} else if err := p.submit(ctx); err != nil {
		return err
	}
	p.last = in.Size(p.plan)
	out.Rows, out.Tokens, out.StepTime = nil, nil, p.stepTime
	rows := p.plan.Rows(p.plan.Answer(), p.last) * p.plan.Tensors[p.plan.Answer()].Cols
	if p.tokens == nil {
		out.Rows = p.answer[:rows]
		return nil
	}
	return p.choose(in, out, rows)
}

// prepare checks a batch and writes the inputs, with the recording there.
func (p *program) prepare(ctx context.Context, in *model.Batch) error {
	switch {
	case p.b.lost != nil:
		return p.b.lost
	case p.inputs == nil || p.b.state != loaded:
		return fmt.Errorf("gpu: the program is closed")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := in.Check(p.plan, p.opt.Size); err != nil {
		return err
	}
	if len(in.Rows) > 0 && p.plan.Hidden == model.None && !p.opt.Rows {
		return fmt.Errorf("gpu: the program was compiled for tokens with ids only")
	}
	if err := p.write(in); err != nil {
		return err
	}
	if p.slower > 0 {
		p.slowDown()
	}
	if p.segments != nil {
		return nil
	}
	if err := p.grow(); err != nil {
		return err
	}
	return p.record()
}

// choose answers with the tokens that the device chose, and with the logits where
// rows of them are wanted. The rows that the kernels can't sample, because they rank
// a bounded number of tokens, are sampled here.
func (p *program) choose(in *model.Batch, out *model.Outputs, rows int) error {
	vocab := p.plan.Tensors[p.plan.Answer()].Cols
	fetch := in.LogitsWanted()
	for i := range in.How {
		fetch = fetch || !lower.SampledHere(in.How[i], vocab)
	}
	if fetch && p.fetch != nil {
		if err := p.b.run(p.fetch, "logits"); err != nil {
			return err
		}
	}
	for i, id := range p.tokens.Words()[:len(in.Want)] {
		switch how := in.How[i]; {
		case how.Logits:
			p.ids[i] = -1
		case lower.SampledHere(how, vocab):
			p.ids[i] = int32(id)
		default:
			p.ids[i] = p.sampler.Pick(p.answer[i*vocab:][:vocab], how, in.Pos[int(in.Want[i])*p.plan.Axes])
		}
	}
	out.Tokens = p.ids[:len(in.Want)]
	if in.LogitsWanted() {
		out.Rows = p.answer[:rows]
	}
	return nil
}

// submitAhead is how many submits the device is given before the first of them is
// waited for: enough that it never idles, few enough that a cancelled run ends soon.
const submitAhead = 2

// submit runs all segments and waits for them. A cancelled one stops between
// submits, after what was started.
func (p *program) submit(ctx context.Context) (first error) {
	b, started, begin := p.b, 0, time.Now()
	for done := 0; ; done++ {
		for first == nil && started < len(p.segments) && started < done+submitAhead {
			s := &p.segments[started]
			if first = ctx.Err(); first != nil {
				break
			}
			if err := b.start(s.cmd, s.first); err != nil {
				first = b.failed(err, s.first, s.last)
				break
			}
			started++
		}
		if done == started {
			return first
		}
		s := &p.segments[done]
		if err := b.dev.Wait(s.cmd); err != nil && (first == nil || b.lost == nil) {
			first = b.failed(err, s.first, s.last)
		}
		now := time.Now()
		p.judge(s, now.Sub(begin))
		begin = now
	}
}

// Read implements model.Program.
func (p *program) Read(id model.ID, dst []float32) (int, error) {
	if id < 0 || int(id) >= len(p.plan.Tensors) {
		return 0, fmt.Errorf("gpu: tensor %d of %d", id, len(p.plan.Tensors))
	}
	t := p.plan.Tensors[id]
	if !p.opt.Trace || p.Place[id].Len == 0 {
		return 0, fmt.Errorf("gpu: %s is not kept", t.Name)
	}
	n := p.plan.Rows(id, p.last) * t.Cols
	switch {
	case n == 0:
		return 0, nil
	case p.b.lost != nil:
		return 0, p.b.lost
	case p.ws.mem == nil:
		return 0, fmt.Errorf("gpu: the program is closed")
	case p.ws.mem.Bytes() != nil && !p.b.unmapped:
		return copy(dst, p.ws.mem.Floats()[p.Place[id].At/4:][:n]), nil
	}
	back, err := p.b.buffer("read "+t.Name, int64(n)*4, vk.Readback)
	if err != nil {
		return 0, err
	}
	defer back.Close()
	r, err := p.b.record()
	if err != nil {
		return 0, err
	}
	r.Copy(p.ws.mem, p.Place[id].At, back, 0, int64(n)*4)
	if err := p.b.once(r, "memory"); err != nil {
		return 0, err
	}
	return copy(dst, back.Floats()[:n]), nil
}
