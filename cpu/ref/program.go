package ref

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eclat/cpu/host"
	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/numerics"
	"eclat/model/sample"
)

// program is a compiled plan: every activation in memory of its own.
type program struct {
	b        *Backend // nil once closed
	plan     *model.Plan
	o        model.CompileOptions
	bytes    int64
	acts     [][]float32 // of each tensor of the plan; nil for those that are no activations
	tokens   []int32     // of a plan that ends with Sample
	scratch  []float32   // a row of a weight
	routing  routing
	rounded  numerics.Row // of a matrix product: the row that enters
	product  []float32    // its elements
	ints     quant.Ints   // a block of a weight
	scores   []float32    // of attention, one a position of a span
	out      []float32    // of attention, one head
	span     []float32    // of a span, one head; of a state, a column
	sampler  sample.Sampler
	stepTime []time.Duration // nil unless profiling

	batch *model.Batch // of this run
	last  model.Size   // of the last run, for Read
}

// sizes is how long a program's arrays are, in elements.
type sizes struct{ acts, tokens, scratch, out, cand int }

// sizesOf is what Compile allocates, and Fit counts.
func sizesOf(p *model.Plan, s model.Size) (n sizes) {
	for i := range p.Tensors {
		switch t := &p.Tensors[i]; t.Kind {
		case model.Weight:
			n.scratch = max(n.scratch, t.Cols)
		case model.TokenRows, model.WantRows:
			n.acts += p.Rows(model.ID(i), s) * t.Cols
		}
	}
	for i := range p.Steps {
		switch st := &p.Steps[i]; st.Op {
		case model.Attention:
			n.out = max(n.out, int(st.Arg[3]))
		case model.DeltaRule, model.Scan:
			n.out = max(n.out, int(st.Arg[2]))
		case model.Sample:
			n.tokens, n.cand = s.Want, p.Tensors[st.Src[0]].Cols
		}
	}
	return n
}

// bytes is what the arrays take.
func (n sizes) bytes() int64 {
	row := int64(numerics.Blocks(n.scratch))*(2*numerics.BlockLen+4+4) + 4*int64(n.scratch)
	return 4*(int64(n.acts)+int64(n.tokens)+int64(n.scratch)+numerics.Span+2*int64(n.out)) + row + 8*int64(n.cand)
}

// Compile implements model.Backend.
func (b *Backend) Compile(p *model.Plan, o model.CompileOptions) (model.Program, error) {
	if b.state != loaded {
		return nil, errors.New("ref: Compile before a successful Load")
	}
	if err := b.info.Lacks(p); err != nil {
		return nil, err
	}
	if o.Tokens < 1 || o.Want < 0 {
		return nil, fmt.Errorf("ref: a program for %d tokens, %d answers", o.Tokens, o.Want)
	}
	for _, t := range p.Weights() {
		if w := b.weights[t.Name]; w == nil || !t.Is(w) {
			return nil, fmt.Errorf("ref: the weight %s was not loaded", t.Name)
		}
	}
	for _, t := range p.Memory() {
		if m := b.memory[t.Name]; m == nil || m.tensor != t {
			return nil, fmt.Errorf("ref: the memory %s is not as it was loaded", t.Name)
		}
	}
	n := sizesOf(p, o.Size)
	acts, err := host.Make[float32](1, int64(n.acts), "activations")
	if err != nil {
		return nil, err
	}
	r := &program{
		b: b, plan: p, o: o, bytes: n.bytes(),
		acts: make([][]float32, len(p.Tensors)), tokens: make([]int32, n.tokens), scratch: make([]float32, n.scratch),
		rounded: numerics.NewRow(n.scratch), product: make([]float32, n.scratch),
		scores: make([]float32, numerics.Span), out: make([]float32, n.out), span: make([]float32, n.out),
	}
	for i := range p.Tensors {
		if t := &p.Tensors[i]; t.Kind == model.TokenRows || t.Kind == model.WantRows {
			size := p.Rows(model.ID(i), o.Size) * t.Cols
			r.acts[i], acts = acts[:size:size], acts[size:]
		}
	}
	if o.Profile {
		r.stepTime = make([]time.Duration, len(p.Steps))
	}
	b.programs = append(b.programs, r)
	b.held.Add(r.bytes)
	return r, nil
}

// Run implements model.Program.
func (p *program) Run(ctx context.Context, b *model.Batch, out *model.Outputs) error {
	if p.b == nil {
		return errors.New("ref: Run of a closed program")
	}
	if err := b.Check(p.plan, p.o.Size); err != nil {
		return err
	}
	if p.plan.Hidden != model.None {
		copy(p.acts[p.plan.Hidden], b.Rows)
	} else if len(b.Rows) > 0 && !p.o.Rows {
		return errors.New("ref: a token without id in a program that was compiled for ids alone")
	}
	p.batch, p.last = b, b.Size(p.plan)
	err := loader.Guard(func() error { return p.compute(ctx) })
	p.batch = nil // hold nothing of the caller's
	if err != nil {
		return err
	}
	*out = model.Outputs{StepTime: p.stepTime}
	if p.plan.Samples() {
		out.Tokens = p.tokens[:len(b.Want)]
	}
	if !p.plan.Samples() || b.LogitsWanted() {
		id := p.plan.Answer()
		out.Rows = p.acts[id][:p.rows(id)*p.plan.Tensors[id].Cols]
	}
	return nil
}

// compute runs the steps: everything that reads mapped weights.
func (p *program) compute(ctx context.Context) error {
	for i := range p.plan.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		start := time.Now()
		s := &p.plan.Steps[i]
		ops[s.Op](p, s)
		if p.stepTime != nil {
			p.stepTime[i] = time.Since(start)
		}
	}
	return nil
}

// Read implements model.Program.
func (p *program) Read(t model.ID, dst []float32) (int, error) {
	if p.b == nil || !p.o.Trace || t < 0 || int(t) >= len(p.acts) || p.acts[t] == nil || p.plan.Samples() && t == p.plan.Result {
		return 0, fmt.Errorf("ref: tensor %d is not kept", t)
	}
	n := p.plan.Rows(t, p.last) * p.plan.Tensors[t].Cols
	if len(dst) < n {
		return 0, fmt.Errorf("ref: room for %d values of %s, which has %d", len(dst), p.plan.Tensors[t].Name, n)
	}
	return copy(dst, p.acts[t][:n]), nil
}

// Close implements model.Program.
func (p *program) Close() error {
	if p.b != nil {
		p.b.forget(p)
		p.b, p.acts, p.scores = nil, nil, nil
	}
	return nil
}

// rows is how many rows of an activation this run has.
func (p *program) rows(t model.ID) int { return p.plan.Rows(t, p.last) }

// row returns row i of an activation.
func (p *program) row(t model.ID, i int) []float32 {
	n := p.plan.Tensors[t].Cols
	return p.acts[t][i*n : (i+1)*n]
}

// weight decodes row j of a weight to dst, flushed; dst is as long as a row or longer.
func (p *program) weight(t model.ID, j int, dst []float32) []float32 {
	w := p.b.weights[p.plan.Tensors[t].Name]
	dst = dst[:p.plan.Tensors[t].Cols]
	quant.Decode(w.Type, dst, w.Data[j*w.RowBytes:(j+1)*w.RowBytes])
	for k, v := range dst {
		dst[k] = numerics.Flush(v)
	}
	return dst
}

// position is the place of token i in its sequence.
func (p *program) position(i int) int { return int(p.batch.Pos[i*p.plan.Axes]) }

// memoryRow is the row of a memory that position pos of a sequence of the batch has.
func (p *program) memoryRow(t model.ID, seq, pos int) place {
	m := p.b.memory[p.plan.Tensors[t].Name]
	page := p.batch.Seqs[seq].Units[m.tensor.Pool][pos/model.PageLen]
	return p.b.rowAt(m, page, pos%model.PageLen)
}

// slot is the slot of a memory that a sequence of the batch has.
func (p *program) slot(t model.ID, seq int) place {
	m := p.b.memory[p.plan.Tensors[t].Name]
	return p.b.rowAt(m, p.batch.Seqs[seq].Units[m.tensor.Pool][0], 0)
}
