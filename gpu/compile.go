package gpu

import (
	"errors"
	"fmt"
	"time"

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
	pipes    []*vk.Pipeline        // of all dispatches in order
	place    []span                // of the activations
	indirect []func(Run) [3]uint32 // sizes that the host writes
	segments []segment             // what a run submits
	close    []func()              // clean-up stack
	recorded int                   // where in it the recording begins
	slower   float64               // how much slower than estimated the slowest submit was, 0 for not at all

	// Of a plan that ends with Sample, whose result is the logits, for what only the
	// host can sample.
	fetch   *vk.Commands // copies them to back; nil where act can be read
	sampler model.Sampler
	bySeq   []uint32 // scratch of Run: where a sequence's table begins, 0 for not yet
	pages   int      // pages of every cache
	result  []float32
	ids     []int32

	last     model.Rows      // of the last run, for Read
	stepTime []time.Duration // of a plan with Profile set, where the device has timestamps
}

// segment is one submit.
type segment struct {
	cmd         *vk.Commands
	first, last string // tensors that its ends write, for messages
	dispatches  int
}

// Compile lowers a plan, gives it memory and records it.
func (b *Backend) Compile(plan *model.Plan) (model.Program, error) {
	if b.lost != nil {
		return nil, b.lost
	}
	p := &program{b: b, plan: plan}
	if plan.Profile && b.info.Limits.TimestampBits > 0 {
		p.stepTime = make([]time.Duration, len(plan.Steps))
	}
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
	if p.b.tunes() {
		if err := p.tune(); err != nil {
			return err
		}
	}
	if err := p.lower(); err != nil {
		return err
	}
	if err := p.allocate(false); err != nil {
		return err
	}
	return p.record()
}

// lower asks for the dispatches and compiles their pipelines. When a variant's
// pipeline fails, the next plainer one is taken and all is lowered anew, because
// its sizes and bindings may differ.
func (p *program) lower() error {
	l := p.b.kernels.lowering(p.plan, p.b.weightInfo, p.pages)
again:
	for {
		var err error
		if p.groups, err = p.b.kernels.lowerAll(l); err != nil {
			return err
		}
		p.b.compileAll(p.groups)
		p.pipes = p.pipes[:0]
		for _, g := range p.groups {
			for i := range g.ds {
				d := &g.ds[i]
				pipe, err := p.b.pipeline(d)
				if err == nil {
					p.pipes = append(p.pipes, pipe)
					continue
				}
				if errors.Is(err, vk.ErrDeviceLost) || !p.b.kernels.Disable(d.Kernel) {
					return fmt.Errorf("gpu: kernel %s for %s: %w", d.Kernel, p.stepName(g.step), err)
				}
				p.b.warn("kernel %s does not work on %s (%v); a plainer one takes its place", d.Kernel, p.b.info.Name, err)
				continue again
			}
		}
		return nil
	}
}

func (b *Backend) weightInfo(name string) *WeightInfo { return &b.weights[name].WeightInfo }

// stepName names a step by the tensor it writes.
func (p *program) stepName(at int) string { return p.plan.Tensors[p.plan.Steps[at].Dst].Name }

// allocate makes the program's buffers. With spare set, activations that fusing made
// needless have room too, all the same.
func (p *program) allocate(spare bool) error {
	w := workOf(p.plan, p.groups, p.pages)
	if spare {
		w.placeRest(p.plan)
	}
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
	rows := resultRows(p.plan)
	size := tensorBytes(p.plan, rows)
	if sampled(p.plan) {
		p.tokens = buffer("tokens", int64(p.plan.Logits)*4, vk.Readback)
		p.ids = make([]int32, p.plan.Logits)
	}
	if p.act != nil && (!p.act.Readable() || p.b.unmapped) {
		p.back = buffer("result", size, vk.Readback)
	}
	if err != nil {
		return err
	}
	clear(p.inputs.Words())
	mem, at := p.back, int64(0)
	if mem == nil {
		mem, at = p.act, p.place[rows].at
	}
	p.result = mem.Floats()[at/4:][: size/4 : size/4]
	if sampled(p.plan) && p.back != nil {
		r, err := p.b.dev.NewRecorder()
		if err != nil {
			return fmt.Errorf("gpu: %w", err)
		}
		r.Barrier()
		r.Copy(p.act, p.place[rows].at, p.back, 0, size)
		if p.fetch, err = r.End(); err != nil {
			return fmt.Errorf("gpu: %w", err)
		}
		p.close = append(p.close, p.fetch.Close)
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

// free ends what the program has made, newest first, but for its first keep things.
func (p *program) free(keep int) {
	for i := len(p.close) - 1; i >= keep; i-- {
		p.close[i]()
	}
	p.close = p.close[:min(keep, len(p.close))]
}

// Close implements model.Program.
func (p *program) Close() error {
	p.free(0)
	delete(p.b.programs, p)
	return nil
}
