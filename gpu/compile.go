package gpu

import (
	"errors"
	"fmt"
	"strings"

	"eclat/gpu/vk"
	"eclat/model"
)

// program is a plan on its device: memory, descriptor sets and command buffers,
// all made by Compile.
type program struct {
	b    *Backend
	plan *model.Plan
	in   Inputs // where things lie in inputs

	inputs  *vk.Buffer // written by the host before each run
	act     *vk.Buffer // activations
	scratch *vk.Buffer // of kernels, within a run
	control *vk.Buffer // of kernels, from run to run
	tokens  *vk.Buffer // sampled tokens
	back    *vk.Buffer // a copy of the result, where act can't be read

	groups   []group
	place    []span                // of the activations
	indirect []func(Run) [3]uint32 // sizes that the host writes
	segments []segment             // what a run submits
	close    []func()              // clean-up stack
	bySeq    []uint32              // scratch of Run: where a sequence's table begins, 0 for not yet
	pages    int                   // pages of every cache
	result   []float32
	ids      []int32

	lastTokens, lastWant int // of the last run, for Read
}

// segment is one submit.
type segment struct {
	cmd         *vk.Commands
	first, last string // tensors that its ends write, for messages
}

// Compile lowers a plan, gives it memory and records it.
func (b *Backend) Compile(plan *model.Plan) (model.Program, error) {
	if b.lost != nil {
		return nil, b.lost
	}
	p := &program{b: b, plan: plan}
	if err := p.compile(); err != nil {
		p.Close()
		return nil, err
	}
	b.programs[p] = true
	return p, nil
}

func (p *program) compile() error {
	if len(p.plan.Steps) == 0 {
		return fmt.Errorf("gpu: the plan has no steps")
	}
	for _, t := range p.plan.Tensors {
		switch t.Kind {
		case model.Weight:
			if p.b.weights[t.Name] == nil {
				return fmt.Errorf("gpu: the weight %s was not loaded", t.Name)
			}
		case model.Cache:
			c := p.b.caches[t.Name]
			if c == nil || c.rows != t.Rows || c.cols != t.Cols {
				return fmt.Errorf("gpu: the cache %s was not loaded, or of another size", t.Name)
			}
			p.pages = t.Rows / model.PageLen
		}
	}
	pipes, err := p.lower()
	if err != nil {
		return err
	}
	if err := p.allocate(); err != nil {
		return err
	}
	return p.record(pipes)
}

// lower asks for the dispatches and compiles their pipelines. When a variant's
// pipeline fails, the next plainer one is taken and all is lowered anew, because
// its sizes and bindings may differ.
func (p *program) lower() ([]*vk.Pipeline, error) {
	weight := func(name string) *WeightInfo { return &p.b.weights[name].WeightInfo }
again:
	for {
		var err error
		if p.groups, err = p.b.kernels.lowerAll(p.plan, weight, p.pages); err != nil {
			return nil, err
		}
		var pipes []*vk.Pipeline
		for _, g := range p.groups {
			for i := range g.ds {
				d := &g.ds[i]
				pipe, err := p.b.pipeline(d)
				if err == nil {
					pipes = append(pipes, pipe)
					continue
				}
				if errors.Is(err, vk.ErrDeviceLost) || !p.b.kernels.Disable(d.Kernel) {
					return nil, fmt.Errorf("gpu: kernel %s for %s: %w", d.Kernel, p.stepName(g.step), err)
				}
				p.b.warn("kernel %s does not work on %s (%v); a plainer one takes its place", d.Kernel, p.b.info.Name, err)
				continue again
			}
		}
		return pipes, nil
	}
}

// stepName names a step by the tensor it writes.
func (p *program) stepName(at int) string { return p.plan.Tensors[p.plan.Steps[at].Dst].Name }

// pipeline returns the pipeline of a dispatch, compiled at its first use.
func (b *Backend) pipeline(d *Dispatch) (*vk.Pipeline, error) {
	var key strings.Builder
	fmt.Fprint(&key, d.Kernel, d.Spec, d.Subgroup)
	if p := b.pipes[key.String()]; p != nil {
		return p, nil
	}
	if b.opt.Fault != nil {
		if err := b.opt.Fault("pipeline", d.Kernel); err != nil {
			return nil, err
		}
	}
	p, err := b.dev.NewPipeline(d.Kernel, d.SPIRV, d.Layout, d.Spec, d.Subgroup)
	if err == nil {
		b.pipes[key.String()] = p
	}
	return p, err
}

// allocate makes the program's buffers.
func (p *program) allocate() error {
	w := workOf(p.plan, p.groups, p.pages)
	p.place, p.in, p.indirect = w.place, w.in, w.indirect
	var err error
	buffer := func(name string, size int64, use vk.Use) *vk.Buffer {
		if err != nil || size == 0 {
			return nil
		}
		var b *vk.Buffer
		name = fmt.Sprintf("%s of %d tokens", name, p.plan.Tokens)
		if b, err = p.b.dev.NewBuffer(name, size, use); err != nil {
			err = fmt.Errorf("gpu: %s: %w", p.b.info.Name, err)
			return nil
		}
		p.close = append(p.close, b.Close)
		return b
	}
	p.inputs = buffer("inputs", w.inputs, vk.Shared)
	p.act = buffer("activations", w.act, vk.OnDevice)
	p.scratch = buffer("scratch", w.scratch, vk.OnDevice)
	p.control = buffer("control", w.control, vk.OnDevice)
	if sampled(p.plan) {
		p.tokens = buffer("tokens", w.result, vk.Readback)
		p.ids = make([]int32, p.plan.Logits)
	} else if p.act != nil && (!p.act.Readable() || p.b.unmapped) {
		p.back = buffer("result", w.result, vk.Readback)
	}
	if err != nil {
		return err
	}
	clear(p.inputs.Words())
	if p.tokens == nil {
		mem, at := p.back, int64(0)
		if mem == nil {
			mem, at = p.act, p.place[p.plan.Result].at
		}
		p.result = mem.Floats()[at/4:][: w.result/4 : w.result/4]
	}
	if p.control != nil {
		r, err := p.b.dev.NewRecorder()
		if err != nil {
			return fmt.Errorf("gpu: %w", err)
		}
		r.Fill(p.control, 0, p.control.Size(), 0)
		return p.b.once(r)
	}
	return nil
}

// region resolves a binding.
func (p *program) region(b Bind) (region, error) {
	t := &p.plan.Tensors[b.Tensor]
	switch b.Mem {
	case Inputs0:
		return region{p.inputs, 0, int64(p.in.Words) * 4}, nil
	case Act:
		s := p.place[b.Tensor]
		r := region{p.act, s.at + b.Offset, (int64(t.Rows)*int64(t.Cols)*4 + 15) &^ 15}
		if b.Size > 0 {
			r.size = b.Size
		} else {
			r.size -= b.Offset
		}
		if b.Offset < 0 || r.off+r.size > s.at+s.n {
			return r, fmt.Errorf("gpu: %d bytes at %d of the activation %s", r.size, b.Offset, t.Name)
		}
		return r, nil
	case WeightOf:
		return p.b.weights[t.Name].parts[b.Part], nil
	case CacheOf:
		return p.b.caches[t.Name].region, nil
	case Scratch:
		return region{p.scratch, b.Offset, b.Size}, nil
	case Control:
		return region{p.control, b.Offset, b.Size}, nil
	case Tokens0:
		return region{p.tokens, 0, p.tokens.Size()}, nil
	}
	return region{}, fmt.Errorf("gpu: binding of unknown memory %d", b.Mem)
}

// Close frees the program, newest first.
func (p *program) Close() error {
	for i := len(p.close) - 1; i >= 0; i-- {
		p.close[i]()
	}
	p.close = nil
	delete(p.b.programs, p)
	return nil
}
