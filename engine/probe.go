package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eclat/loader"
	"eclat/loader/manifest"
	"eclat/loader/quant"
	"eclat/model"
)

// Probe runs one sequence, token by given token, through programs of its own that
// tell more than the answer: every activation, or the time of every step. Its work
// is done between two batches of the engine. It belongs to one goroutine and is
// closed before its Engine.
type Probe struct {
	Steps []ProbeStep // what is computed, in order, over all stages
	e     *Engine
	q     sequence
	o     ProbeOptions
	epoch int // of the owner when the programs were compiled
	swaps int
	links []probeLink
	batch model.Batch
}

// ProbeOptions says what a Probe tells.
type ProbeOptions struct {
	Tokens  int  // most tokens of one Run
	Trace   bool // keep activations for Read, and compute logits of every token
	Profile bool // time every step
}

// compile is what a probe's programs are compiled for.
func (o *ProbeOptions) compile() model.CompileOptions {
	c := model.CompileOptions{Size: model.Size{Tokens: o.Tokens, Want: 1}, Trace: o.Trace, Profile: o.Profile}
	if o.Trace {
		c.Want = o.Tokens
	}
	return c
}

// ProbeStep is one step of the model on one device.
type ProbeStep struct {
	Name  string     // of the tensor it writes, as in "blk.3.attn_q"
	Op    model.Op   //
	Layer int        // −1 for what stands before and after the layers
	Cols  int        // elements in a row of the tensor it writes
	Type  quant.Type // of the weight it reads, F32 without one
	Fixed int64      // bytes of weights it reads once a run
	Row   int64      // bytes of weights it reads once a token: a row of the embedding, a token's experts
	Cache int64      // bytes of memory it reads for each token and each position before it
	Kept  bool       // Read can return it

	Weight string        // the file's tensor that it reads, the last of several; of a product its matrix; "" without one
	Src    []ProbeSource // what it reads, in the op's order
	link   int
	step   int
}

// ProbeSource is a tensor that a step reads.
type ProbeSource struct {
	Name string
	Cols int // elements in a row
}

type probeLink struct {
	plan    *model.Plan
	program model.Program
	out     model.Outputs
}

// NewProbe compiles the programs. Closing the probe frees them.
func (e *Engine) NewProbe(ctx context.Context, o ProbeOptions) (*Probe, error) {
	p := &Probe{e: e, o: o}
	p.q.ctx = ctx
	err := e.do(ctx, func() error {
		w := e.owner
		if err := w.ready(); err != nil {
			return err
		}
		p.epoch, p.swaps = w.epoch, w.swaps
		for i := range w.chain.links {
			if err := w.chain.on(ctx, &w.chain.links[i], func() error { return p.add(&w.chain, i) }); err != nil {
				return errors.Join(err, p.free())
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// add compiles the stage of link i, ending with logits where it has the head.
func (p *Probe) add(c *chain, i int) error {
	l := &c.links[i]
	plan, err := c.plan(l, false)
	if err != nil {
		return err
	}
	program, err := l.compile(plan, p.o.compile())
	if err != nil {
		return fmt.Errorf("engine: compile for measuring: %w", err)
	}
	p.links = append(p.links, probeLink{plan: plan, program: program})
	for j := range plan.Steps {
		p.Steps = append(p.Steps, describe(p.e.Model.File, plan, i, j))
	}
	return nil
}

// describe says what step j of the plan of link i reads and writes.
func describe(file *loader.File, plan *model.Plan, i, j int) ProbeStep {
	s := &plan.Steps[j]
	dst := plan.Tensors[s.Dst]
	out := ProbeStep{Name: dst.Name, Op: s.Op, Layer: manifest.LayerOf(dst.Name), Cols: dst.Cols, link: i, step: j}
	out.Kept = dst.Kind != model.Kept && dst.Type == quant.F32
	for i, id := range s.Src {
		out.Src = append(out.Src, ProbeSource{plan.Tensors[id].Name, plan.Tensors[id].Cols})
		switch t := plan.Tensors[id]; t.Kind {
		case model.Weight:
			if i == 0 || s.Op != model.MatMulExperts { // not their biases
				out.Type = t.Type
			}
			if i == 0 || !product(s.Op) {
				out.Weight = t.Source()
			}
			w, err := model.FindWeight(file, t)
			switch {
			case err != nil:
			case s.Op == model.Embed:
				out.Row += int64(w.RowBytes)
			case s.Op == model.MatMulExperts && t.Rows == int(s.Arg[0]): // a bias of each expert
				out.Row += int64(w.RowBytes) * int64(plan.Tensors[s.Src[2]].Cols/2)
			case s.Op == model.MatMulExperts: // the rows of the experts that are used
				out.Row += int64(w.RowBytes) * int64(dst.Cols)
			default:
				out.Fixed += w.Size
			}
		case model.Kept:
			if plan.Pools[t.Pool].Per != model.Sequence {
				size, _ := t.Type.RowBytes(uint64(t.Cols))
				out.Cache += int64(size)
			}
		}
	}
	return out
}

// product reports whether an op multiplies by a matrix, its first source.
func product(op model.Op) bool { return op == model.MatMul || op == model.MatMulExperts }

// Run appends ids, at most ProbeOptions.Tokens of them, to the sequence and runs
// them. It returns the logits, (len(ids), vocab) with Trace and (1, vocab) without,
// which stand until the next run of the engine. After an error the sequence is what
// it was before.
func (p *Probe) Run(ctx context.Context, ids []int32) (logits []float32, err error) {
	if len(ids) == 0 || len(ids) > p.o.Tokens {
		return nil, fmt.Errorf("engine: %d tokens to run, want 1 to %d", len(ids), p.o.Tokens)
	}
	if n := p.q.stored + len(ids); n > p.e.Context {
		return nil, &ContextError{n, p.e.Context}
	}
	err = p.e.do(ctx, func() error {
		if err := p.alive(); err != nil {
			return err
		}
		logits, err = p.run(ctx, ids)
		return err
	})
	return logits, err
}

// alive reports a probe whose programs are gone.
func (p *Probe) alive() error {
	if p.links == nil {
		return errors.New("engine: the probe is closed")
	}
	if p.epoch != p.e.owner.epoch || p.swaps != p.e.owner.swaps {
		return fmt.Errorf("%w: what the probe had compiled is gone", ErrLost)
	}
	return nil
}

func (p *Probe) run(ctx context.Context, ids []int32) (logits []float32, err error) {
	o, q, b := p.e.owner, &p.q, &p.batch
	if o.index.states {
		epoch := o.epoch
		o.stand(q, &q.was)
		defer func() {
			switch {
			case epoch != o.epoch: // a loss: there is nothing left
			case err != nil:
				o.takeBack(q, &q.was)
			default:
				o.settle(&q.was)
			}
		}()
	}
	switch ok, err := o.reserve(ctx, q, len(ids)); {
	case errors.Is(err, ErrLost):
		o.lost(err)
		return nil, err
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("%w: other sequences use all pages", ErrMemory)
	}
	b.Tokens, b.Rows, b.Pos, b.Want = append(b.Tokens[:0], ids...), nil, b.Pos[:0], b.Want[:0]
	for i := range ids {
		b.Pos = append(b.Pos, int32(q.stored+i))
		if p.o.Trace || i == len(ids)-1 {
			b.Want = append(b.Want, int32(i))
		}
	}
	b.Seqs = append(b.Seqs[:0], model.SeqRun{N: len(ids), Units: q.units})
	for i := range p.links {
		l := &p.links[i]
		if err := l.program.Run(ctx, b, &l.out); err != nil {
			if errors.Is(err, ErrLost) {
				o.lost(err)
			}
			return nil, err
		}
		b.Rows = l.out.Rows
	}
	q.stored += len(ids)
	return b.Rows, nil
}

// Read copies the rows that the last Run computed in step i, (tokens, Cols), to
// dst and returns how many values they are.
func (p *Probe) Read(ctx context.Context, i int, dst []float32) (n int, err error) {
	st := &p.Steps[i]
	if !p.o.Trace || !st.Kept {
		return 0, fmt.Errorf("engine: %s is not kept", st.Name)
	}
	err = p.e.do(ctx, func() error {
		if err := p.alive(); err != nil {
			return err
		}
		l := &p.links[st.link]
		n, err = l.program.Read(l.plan.Steps[st.step].Dst, dst)
		return err
	})
	return n, err
}

// ReadSource copies the rows that step i read as its k-th source in the last Run,
// (tokens, Cols), to dst and returns how many values they are. The source is an
// activation; what Route has written is words, its experts' numbers as bits.
func (p *Probe) ReadSource(ctx context.Context, i, k int, dst []float32) (n int, err error) {
	st := &p.Steps[i]
	err = p.e.do(ctx, func() error {
		if err := p.alive(); err != nil {
			return err
		}
		l := &p.links[st.link]
		n, err = l.program.Read(l.plan.Steps[st.step].Src[k], dst)
		return err
	})
	return n, err
}

// Reset ends the sequence: the next Run begins another, at position 0.
func (p *Probe) Reset(ctx context.Context) error {
	return p.e.do(ctx, func() error {
		if err := p.alive(); err != nil {
			return err
		}
		p.e.owner.release(&p.q)
		return nil
	})
}

// Times adds the time of each step in the last Run to sum, (len(Steps)). It
// reports false where a device cannot tell.
func (p *Probe) Times(sum []time.Duration) bool {
	at := 0
	for i := range p.links {
		l := &p.links[i]
		if len(l.out.StepTime) != len(l.plan.Steps) {
			return false
		}
		for _, t := range l.out.StepTime {
			sum[at] += t
			at++
		}
	}
	return true
}

// Close frees the programs and the sequence.
func (p *Probe) Close() error {
	err := p.e.do(context.Background(), func() error {
		if p.epoch == p.e.owner.epoch { // after a loss there is nothing left to free
			p.e.owner.release(&p.q)
			return p.free()
		}
		p.links = nil
		return nil
	})
	if errors.Is(err, ErrClosed) { // the engine has freed everything
		return nil
	}
	return err
}

func (p *Probe) free() error {
	var errs []error
	for i := len(p.links) - 1; i >= 0; i-- {
		errs = append(errs, p.links[i].program.Close())
	}
	p.links = nil
	return errors.Join(errs...)
}

// Steps describes what the whole model computes for a token, without compiling it.
func (e *Engine) Steps() ([]ProbeStep, error) {
	plan, err := e.Model.Describe(e.Model.Whole(), e.room(1))
	if err != nil {
		return nil, err
	}
	steps := make([]ProbeStep, len(plan.Steps))
	for j := range steps {
		steps[j] = describe(e.Model.File, plan, 0, j)
	}
	return steps, nil
}
