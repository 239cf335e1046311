package engine

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"eclat/loader"
	"eclat/loader/manifest"
	"eclat/loader/quant"
	"eclat/model"
)

// Probe runs one sequence, token by given token, through programs of its own that
// tell more than the answer: every activation, or the time of every step. It has
// a Session's place: one goroutine, closed before its Engine.
type Probe struct {
	Steps []ProbeStep // what is computed, in order, over all stages
	s     *Session
	want  bool // logits of every token; else of the last
	trace bool
	links []probeLink
}

// ProbeOptions says what a Probe tells.
type ProbeOptions struct {
	Tokens  int  // most tokens of one Run
	Trace   bool // keep activations for Read, and compute logits of every token
	Profile bool // time every step
}

// ProbeStep is one step of the model on one device.
type ProbeStep struct {
	Name  string     // of the tensor it writes, as in "blk.3.attn_q"
	Op    model.Op   //
	Layer int        // −1 for what stands before and after the layers
	Cols  int        // elements in a row of the tensor it writes
	Type  quant.Type // of the weight it reads, F32 without one
	Fixed int64      // bytes of weights it reads once a run
	Row   int64      // bytes of weights it reads once a token: a row of the embedding
	Cache int64      // bytes of key–value memory it reads for each token and each position before it
	Kept  bool       // Read can return it
	link  int
	step  int
}

type probeLink struct {
	plan    *model.Plan
	program model.Program
	out     model.Outputs
}

// NewProbe compiles the programs. Closing the probe frees them.
func (e *Engine) NewProbe(o ProbeOptions) (*Probe, error) {
	p := &Probe{s: e.NewSession(), want: o.Trace, trace: o.Trace}
	e.chain.mu.Lock()
	defer e.chain.mu.Unlock()
	p.s.epoch = e.epoch
	for i := range e.chain.links {
		if err := p.add(e, i, &o); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

// add compiles the stage of link i.
func (p *Probe) add(e *Engine, i int, o *ProbeOptions) error {
	l := &e.chain.links[i]
	logits := 1
	if p.want {
		logits = o.Tokens
	}
	plan, err := e.Model.Plan(l.stage, o.Tokens, logits, e.chain.pages)
	if err != nil {
		return err
	}
	plan.Trace, plan.Profile = o.Trace, o.Profile
	program, err := l.backend.Compile(plan)
	if err != nil {
		return fmt.Errorf("engine: compile for measuring: %w", deviceError(err))
	}
	p.links = append(p.links, probeLink{plan: plan, program: program})
	for j := range plan.Steps {
		p.Steps = append(p.Steps, describe(e.Model.File, plan, i, j))
	}
	return nil
}

// describe says what step j of the plan of link i reads and writes.
func describe(file *loader.File, plan *model.Plan, i, j int) ProbeStep {
	s := &plan.Steps[j]
	dst := plan.Tensors[s.Dst]
	out := ProbeStep{Name: dst.Name, Op: s.Op, Layer: manifest.LayerOf(dst.Name), Cols: dst.Cols, link: i, step: j}
	out.Kept = dst.Kind != model.Cache && dst.Type == quant.F32
	for _, id := range s.Src {
		switch t := plan.Tensors[id]; t.Kind {
		case model.Weight:
			out.Type = t.Type
			if w := file.Tensor(t.Name); w != nil && s.Op == model.Embed {
				out.Row += int64(w.RowBytes)
			} else if w != nil {
				out.Fixed += w.Size
			}
		case model.Cache:
			out.Cache += int64(t.Cols) * 2
		}
	}
	return out
}

// Run appends ids, at most ProbeOptions.Tokens of them, to the sequence and runs
// them. It returns the logits, (len(ids), vocab) with Trace and (1, vocab) without,
// which stand until the next Run.
func (p *Probe) Run(ids []int32) ([]float32, error) {
	s := p.s
	if len(ids) == 0 {
		return nil, errors.New("engine: no tokens to run")
	}
	if n := len(s.tokens) + len(ids); n > s.e.Context {
		return nil, &ContextError{n, s.e.Context}
	}
	s.tokens = append(s.tokens, ids...)
	if err := s.next(len(ids)); err != nil {
		return nil, err
	}
	s.in.Want = s.in.Want[:0]
	for i := range ids {
		if p.want || i == len(ids)-1 {
			s.in.Want = append(s.in.Want, int32(i))
		}
	}
	s.e.chain.mu.Lock()
	defer s.e.chain.mu.Unlock()
	if s.epoch != s.e.epoch { // another session brought the devices back; these programs are gone
		return nil, ErrLost
	}
	in := s.in
	in.Sampling = nil
	for i := range p.links {
		l := &p.links[i]
		if err := l.program.Run(in, &l.out); err != nil {
			return nil, deviceError(err)
		}
		in.Hidden = l.out.Result
	}
	s.stored += len(ids)
	return in.Hidden, nil
}

// Read copies the rows that the last Run computed in step i, (tokens, Cols), to
// dst and returns how many values they are.
func (p *Probe) Read(i int, dst []float32) (int, error) {
	st := &p.Steps[i]
	if !p.trace || !st.Kept {
		return 0, fmt.Errorf("engine: %s is not kept", st.Name)
	}
	p.s.e.chain.mu.Lock()
	defer p.s.e.chain.mu.Unlock()
	l := &p.links[st.link]
	return l.program.Read(l.plan.Steps[st.step].Dst, dst)
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
	var errs []error
	for i := len(p.links) - 1; i >= 0; i-- {
		errs = append(errs, p.links[i].program.Close())
	}
	p.links = nil
	p.s.Close()
	return errors.Join(errs...)
}

// MatMulRate measures how fast the device multiplies the model's largest matrix,
// other than the output matrix, by tokens rows of activations, in floating-point
// operations a second: 2·rows·cols a token. One run of several products in a row
// keeps what is not the product (starting, copying back) small; the best of the
// runs within the time limit counts. 0 where the first device's layers have no matrix.
func (e *Engine) MatMulRate(tokens int, limit time.Duration) (float64, error) {
	e.chain.mu.Lock()
	defer e.chain.mu.Unlock()
	l := &e.chain.links[0]
	plan, err := e.Model.Plan(l.stage, 1, 1, e.chain.pages)
	if err != nil {
		return 0, err
	}
	var w model.Tensor
	for _, s := range plan.Steps {
		if s.Op != model.MatMul {
			continue
		}
		t := plan.Tensors[s.Src[0]]
		if manifest.LayerOf(t.Name) >= 0 && t.Rows*t.Cols > w.Rows*w.Cols {
			w = t
		}
	}
	if w.Rows == 0 {
		return 0, nil
	}
	const products = 4
	b := model.NewBuilder(e.Model.File, tokens, 1, e.chain.pages)
	x := b.Receive("x", w.Cols)
	y := x
	for i := range products {
		y = b.MatMul("y"+strconv.Itoa(i), b.Weight(w.Name, w.Rows, w.Cols), x)
	}
	// No row is wanted back, so the answer takes no time to copy.
	if plan, err = b.Plan(b.Gather("nothing", y)); err != nil {
		return 0, err
	}
	program, err := l.backend.Compile(plan)
	if err != nil {
		return 0, fmt.Errorf("engine: compile the matrix product: %w", deviceError(err))
	}
	defer program.Close()
	in := model.Inputs{Hidden: make([]float32, tokens*w.Cols), Pages: [][]int32{make([]int32, model.Pages(tokens))}}
	for i := range in.Hidden {
		in.Hidden[i] = model.Uniform(1, uint32(i)) - 0.5
	}
	for i := range tokens {
		in.Pos, in.Seq = append(in.Pos, int32(i)), append(in.Seq, 0)
	}
	best := math.Inf(1)
	var out model.Outputs
	for start, n := time.Now(), 0; n < 2 || n < 50 && time.Since(start) < limit; n++ {
		t := time.Now()
		if err := program.Run(in, &out); err != nil {
			return 0, deviceError(err)
		}
		if n > 0 { // the first warms up
			best = min(best, time.Since(t).Seconds())
		}
	}
	return 2 * products * float64(tokens) * float64(w.Rows) * float64(w.Cols) / best, nil
}

// Steps describes what the whole model computes for a token, without compiling it.
func (e *Engine) Steps() ([]ProbeStep, error) {
	plan, err := e.Model.Plan(e.Model.Whole(), 1, 1, 1)
	if err != nil {
		return nil, err
	}
	steps := make([]ProbeStep, len(plan.Steps))
	for j := range steps {
		steps[j] = describe(e.Model.File, plan, 0, j)
	}
	return steps, nil
}
