package gpu

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/model"
	"eclat/model/sample"
)

var errNotLoaded = errors.New("gpu: nothing is loaded")

// program is a plan on its device: memory, descriptor sets and command buffers.
type program struct {
	b    *Backend
	plan *model.Plan
	opt  model.CompileOptions

	groups []lower.Group
	pipes  []*vk.Pipeline // of all dispatches in order
	lower.Work

	inputs *vk.Buffer // written by the host before each run
	tokens *vk.Buffer // chosen tokens
	ws     *workspace // activations and scratch: the backend's, or with Trace its own
	close  []func()   // clean-up stack of the buffers

	segments []segment    // what a run submits; nil where it must be recorded first
	fetch    *vk.Commands // of a plan that ends with Sample: copies the logits to ws.back; nil where they can be read
	recorded []func()     // clean-up stack of the recording
	slower   float64      // how much slower than estimated the slowest submit was, 0 for not at all

	sampler  sample.Sampler // for what only the host can sample
	answer   []float32      // rows of Plan.Answer in mapped memory
	ids      []int32
	last     model.Size      // of the last run, for Read
	stepTime []time.Duration // with Profile, where the device has timestamps
}

// segment is one submit.
type segment struct {
	cmd         *vk.Commands
	first, last string // tensors that its ends write, for messages
	dispatches  int
}

// Compile implements model.Backend: it lowers a plan, gives it memory and records it.
func (b *Backend) Compile(plan *model.Plan, o model.CompileOptions) (model.Program, error) {
	switch {
	case b.lost != nil:
		return nil, b.lost
	case b.state != loaded:
		return nil, errNotLoaded
	}
	p := &program{b: b, plan: plan, opt: o, ws: &b.work}
	if o.Trace {
		p.ws = &workspace{b: b}
	}
	if o.Profile && b.info.Limits.TimestampBits > 0 {
		p.stepTime = make([]time.Duration, len(plan.Steps))
	}
	b.programs[p] = true
	if err := p.compile(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *program) compile() error {
	if err := p.check(); err != nil {
		return err
	}
	if p.b.tunes() {
		if err := p.tune(); err != nil {
			return err
		}
	}
	if err := p.lower(); err != nil {
		return err
	}
	if err := p.allocate(); err != nil {
		return err
	}
	if err := p.warm(); err != nil {
		return err
	}
	return p.record()
}

// check refuses a plan that is not of the loaded stage.
func (p *program) check() error {
	switch {
	case len(p.plan.Steps) == 0:
		return fmt.Errorf("gpu: the plan has no steps")
	case len(p.plan.Pools) > maxPools:
		return fmt.Errorf("gpu: %d kinds of memory; %d are the most", len(p.plan.Pools), maxPools)
	case !slices.Equal(p.plan.Pools, p.b.pools):
		return fmt.Errorf("gpu: the plan's memory is not what was loaded")
	}
	if err := sound(p.opt.Size); err != nil {
		return fmt.Errorf("gpu: %w", err)
	}
	info := p.b.Info()
	if err := info.Lacks(p.plan); err != nil {
		return err
	}
	for _, t := range p.plan.Tensors {
		switch t.Kind {
		case model.Weight:
			if w := p.b.weights[t.Name]; w == nil || w.Type != t.Type || w.Rows != t.Rows || w.Cols != t.Cols {
				return fmt.Errorf("gpu: the weight %s was not loaded, or of another shape", t.Name)
			}
		case model.Kept:
			if m := p.b.memories[t.Name]; m == nil || m.Tensor != t {
				return fmt.Errorf("gpu: the memory %s was not loaded, or of another size", t.Name)
			}
		}
	}
	return nil
}

func (p *program) lowering() *lower.Lowering {
	return lower.NewLowering(p.plan, p.opt, func(name string) *lower.WeightInfo { return &p.b.weights[name].WeightInfo })
}

// lower asks for the dispatches and compiles their pipelines. When a variant's
// pipeline fails, or computes wrongly, the next plainer one is taken and all is lowered anew, because
// its sizes and bindings may differ.
func (p *program) lower() error {
	l := p.lowering()
again:
	for {
		var err error
		if p.groups, err = p.b.kernels.All(l); err != nil {
			return err
		}
		p.b.compileAll(p.groups)
		p.pipes = p.pipes[:0]
		for _, g := range p.groups {
			for i := range g.Dispatches {
				d := &g.Dispatches[i]
				pipe, err := p.b.pipeline(d)
				if err == nil {
					p.pipes = append(p.pipes, pipe)
					continue
				}
				if errors.Is(err, vk.ErrDeviceLost) || errors.Is(err, model.ErrLost) {
					return p.b.failed(err, p.stepName(g.Step), p.stepName(g.Step))
				}
				if !p.b.kernels.Disable(d.Kernel) {
					return errorf("kernel %s for %s: %w", d.Kernel, p.stepName(g.Step), err)
				}
				p.b.warn("kernel %s does not work on %s (%v); a plainer one takes its place", d.Kernel, p.b.info.Name, err)
				continue again
			}
		}
		if p.Work, err = lower.WorkOf(l, p.groups); err != nil {
			return err
		}
		if wrong, err := p.examine(); err != nil || !wrong {
			return err
		}
	}
}

// stepName names a step by the tensor it writes.
func (p *program) stepName(at int) string { return p.plan.Tensors[p.plan.Steps[at].Dst].Name }

// allocate makes the program's buffers and room in its workspace.
func (p *program) allocate() error {
	buffer := func(name string, size int64, use vk.Use) (*vk.Buffer, error) {
		b, err := p.b.buffer(fmt.Sprintf("%s of %d tokens", name, p.opt.Tokens), size, use)
		if err == nil {
			p.close = append(p.close, b.Close)
		}
		return b, err
	}
	var err error
	if p.inputs, err = buffer("inputs", p.Inputs, vk.Shared); err != nil {
		return err
	}
	clear(p.inputs.Words())
	if p.Tokens > 0 {
		if p.tokens, err = buffer("tokens", p.Tokens, vk.Readback); err != nil {
			return err
		}
		p.ids = make([]int32, p.opt.Want)
	}
	return p.grow()
}

// grow makes room in the workspace.
func (p *program) grow() error { return p.ws.grow(p.scratchAt()+p.Scratch, max(p.Answer, 4)) }

// scratchAt is where scratch begins in the workspace.
func (p *program) scratchAt() int64 { return (p.Act + align - 1) &^ (align - 1) }

// region resolves a binding.
func (p *program) region(b lower.Bind) (region, error) {
	t := &p.plan.Tensors[b.Tensor]
	switch b.Mem {
	case lower.Inputs0:
		return region{p.inputs, 0, p.Inputs}, nil
	case lower.Act:
		s := p.Place[b.Tensor]
		rows := int64(p.plan.Rows(b.Tensor, p.opt.Size))
		r := region{p.ws.mem, s.At + b.Offset, (rows*int64(t.Cols)*4 + 15) &^ 15}
		if b.Size > 0 {
			r.size = b.Size
		} else {
			r.size -= b.Offset
		}
		if b.Offset < 0 || r.off+r.size > s.At+s.Len {
			return r, fmt.Errorf("gpu: %d bytes at %d of the activation %s", r.size, b.Offset, t.Name)
		}
		return r, nil
	case lower.WeightOf:
		return p.b.weights[t.Name].parts[b.Part], nil
	case lower.KeptIn:
		return p.b.memories[t.Name].region, nil
	case lower.Scratch:
		if b.Offset+b.Size > p.Scratch {
			return region{}, fmt.Errorf("gpu: %d bytes at %d of scratch memory", b.Size, b.Offset)
		}
		return region{p.ws.mem, p.scratchAt() + b.Offset, b.Size}, nil
	case lower.Tokens0:
		return region{p.tokens, 0, p.tokens.Size()}, nil
	}
	return region{}, fmt.Errorf("gpu: binding of unknown memory %d", b.Mem)
}

// unwind ends what a clean-up stack holds, newest first, and empties it.
func unwind(stack *[]func()) {
	for _, f := range slices.Backward(*stack) {
		f()
	}
	*stack = nil
}

// unrecord drops the recording.
func (p *program) unrecord() {
	unwind(&p.recorded)
	p.segments, p.fetch, p.answer = nil, nil, nil
}

// Close implements model.Program.
func (p *program) Close() error {
	p.unrecord()
	unwind(&p.close)
	if p.ws != &p.b.work {
		p.ws.free()
	}
	delete(p.b.programs, p)
	return nil
}
