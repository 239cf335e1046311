package cpu

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"eclat/cpu/host"
	"eclat/cpu/kernel"
	"eclat/loader"
	"eclat/model"
	"eclat/model/numerics"
)

// program is a compiled plan: the steps with their memory.
type program struct {
	b      *Backend // nil once closed
	plan   *model.Plan
	o      model.CompileOptions
	layout layout

	steps    []step
	mem      []float32   // all activations
	turns    [][]float32 // for each rope, (Tokens, pairs, 2) cosines and sines of this run
	turned   []bool      // which of turns are of this run
	seq      []int32     // (Tokens) the run of each token
	first    []int32     // (Tokens) the first token of each run
	tokens   []int32     // of a plan that ends with Sample
	stepTime []time.Duration

	batch   *model.Batch // of this run
	last    model.Size   // of the last run, for Read
	rounded model.ID     // whose rows the backend's input has
	routed  model.ID     // by whose experts they lie in p.experts, None where they are one input
	experts gathered     // the rows of each expert of the product at hand
}

// step is a model.Step with names resolved to memory.
type step struct {
	*model.Step
	dst     []float32                   // of an activation
	src     [model.MaxSources][]float32 // of activations, and of weights that are kept decoded
	matrix  *loader.Tensor              // of Embed and products
	kept    [model.MaxSources]*memory   // of sources; of Store the target, at 0
	dstCols int                         // elements in a row of dst
	srcCols [model.MaxSources]int       // elements in a row of each source
	scale   float32                     // of Attention: from q·k to powers of two, or to the cap's argument
	cap     float32                     // of Attention: the most that a score may be, in powers of two; 0 for any
	part    func(worker, part int)      // what a goroutine does, bound once so that Run allocates nothing
	round   func(worker, part int)      // of products, before part
}

// layout is what a program takes: where its activations lie, and how long its
// arrays are, in elements. Compile allocates by it and Fit counts by it.
type layout struct {
	offset  []int // of each activation in mem
	mem     int
	turns   []int // of each rope
	tables  int   // of seq and first
	tokens  int
	need    kernel.Need // of a worker
	input   int         // of rounded rows
	vocab   int         // of a sampler
	slots   int         // rows that go to experts, each counted once for each of its experts
	experts int         // that they may go to
}

func layoutOf(p *model.Plan, o model.CompileOptions) (n layout) {
	n.offset, n.mem = p.Arena(o, p.ByStep(), p.Answer())
	for i := range p.Ropes {
		n.turns = append(n.turns, 2*len(p.Ropes[i].Freq)*o.Tokens)
	}
	n.tables = 2 * o.Tokens
	for i := range p.Steps {
		switch s := &p.Steps[i]; s.Op {
		case model.MatMul:
			cols, rows := p.Tensors[s.Src[0]].Cols, p.Rows(s.Src[1], o.Size)
			need := kernel.Need{Rows: rows}
			if !p.Tensors[s.Src[0]].Type.Integers() {
				need.Cols = cols
			}
			n.need = n.need.Max(need)
			n.input = max(n.input, kernel.InputLen(cols, rows))
		case model.MatMulHeads:
			w, heads, rows := &p.Tensors[s.Src[0]], int(s.Arg[0]), p.Rows(s.Dst, o.Size)
			need := kernel.Need{Rows: rows}
			if !w.Type.Integers() {
				need.Cols = w.Cols
			}
			n.need = n.need.Max(need)
			n.input = max(n.input, kernel.InputsLen(w.Cols, rows*heads, heads))
			n.slots, n.experts = max(n.slots, rows*heads), max(n.experts, heads)
		case model.MatMulExperts:
			w, experts := &p.Tensors[s.Src[0]], int(s.Arg[0])
			slots := p.Rows(s.Dst, o.Size) * (p.Tensors[s.Src[2]].Cols / 2)
			need := kernel.Need{Rows: p.Rows(s.Dst, o.Size)} // an expert has a row once
			if !w.Type.Integers() {
				need.Cols = w.Cols
			}
			n.need = n.need.Max(need)
			n.input = max(n.input, kernel.InputsLen(w.Cols, slots, experts))
			n.slots, n.experts = max(n.slots, slots), max(n.experts, experts)
		case model.Attention:
			need := kernel.Need{Heads: int(s.Arg[0]/s.Arg[1]) * min(together, o.Tokens), DimK: int(s.Arg[2]), DimV: int(s.Arg[3])}
			if s.Src[1] == s.Src[2] {
				need.Turn = need.DimV
			}
			n.need = n.need.Max(need)
		case model.Sample:
			n.tokens, n.vocab = o.Want, p.Tensors[s.Src[0]].Cols
		}
	}
	return n
}

// bytes is what the program's own arrays take; the workers' are the backend's.
func (n *layout) bytes() int64 {
	all := int64(n.mem+n.tables+n.tokens+n.slots+2*n.experts) + inputFloats*int64(min(n.slots, n.experts))
	for _, t := range n.turns {
		all += int64(t)
	}
	return 4 * all
}

// Compile implements model.Backend: it lays out the activations and resolves every step.
func (b *Backend) Compile(plan *model.Plan, o model.CompileOptions) (model.Program, error) {
	if b.state != loaded {
		return nil, errors.New("cpu: Compile before a successful Load")
	}
	if err := b.info.Lacks(plan); err != nil {
		return nil, err
	}
	if o.Tokens < 1 || o.Want < 0 {
		return nil, fmt.Errorf("cpu: a program for %d tokens, %d answers", o.Tokens, o.Want)
	}
	for _, t := range plan.Weights() {
		if w := b.weights[t.Name]; w == nil || !t.Is(w) {
			return nil, fmt.Errorf("cpu: the weight %s was not loaded", t.Name)
		}
	}
	for _, t := range plan.Memory() {
		if m := b.memory[t.Name]; m == nil || m.tensor != t {
			return nil, fmt.Errorf("cpu: the memory %s is not as it was loaded", t.Name)
		}
	}
	p := &program{b: b, plan: plan, o: o, layout: layoutOf(plan, o)}
	if err := p.allocate(); err != nil {
		return nil, err
	}
	p.steps = make([]step, len(plan.Steps))
	for i := range p.steps {
		if err := p.resolve(&p.steps[i], &plan.Steps[i]); err != nil {
			return nil, err
		}
	}
	b.programs = append(b.programs, p)
	b.held.Add(p.layout.bytes())
	return p, nil
}

// allocate makes the program's arrays.
func (p *program) allocate() (err error) {
	n := &p.layout
	if p.mem, err = host.Make[float32](1, int64(n.mem), "activations"); err != nil {
		return err
	}
	for _, size := range n.turns {
		t, err := host.Make[float32](1, int64(size), "rotary angles")
		if err != nil {
			return err
		}
		p.turns = append(p.turns, t)
	}
	p.turned = make([]bool, len(p.turns))
	tables := make([]int32, n.tables)
	p.seq, p.first = tables[:p.o.Tokens], tables[p.o.Tokens:]
	p.tokens = make([]int32, n.tokens)
	p.experts = newGathered(n.slots, n.experts)
	if p.o.Profile {
		p.stepTime = make([]time.Duration, len(p.plan.Steps))
	}
	return p.b.reserve(*n)
}

// place is the memory of an activation.
func (p *program) place(id model.ID) []float32 {
	n := p.plan.Rows(id, p.o.Size) * p.plan.Tensors[id].Cols
	return p.mem[p.layout.offset[id]:][:n:n]
}

// resolve finds the memory of a step and binds its kernel.
func (p *program) resolve(s *step, ms *model.Step) error {
	*s = step{Step: ms, dstCols: p.plan.Tensors[ms.Dst].Cols}
	if t := &p.plan.Tensors[ms.Dst]; t.Kind == model.Kept {
		s.kept[0] = p.b.memory[t.Name]
	} else {
		s.dst = p.place(ms.Dst)
	}
	for j, id := range ms.Src {
		t := &p.plan.Tensors[id]
		s.srcCols[j] = t.Cols
		switch {
		case t.Kind == model.Kept:
			s.kept[j] = p.b.memory[t.Name]
		case t.Kind != model.Weight:
			s.src[j] = p.place(id)
		case !isVector(p.plan, ms, j):
			s.matrix = p.b.weights[t.Name]
		default:
			if s.src[j] = p.b.vectors[t.Name]; s.src[j] == nil {
				return fmt.Errorf("cpu: the weight %s was loaded as a matrix alone", t.Name)
			}
		}
	}
	k := &kernels[ms.Op]
	s.part = func(worker, part int) { k.part(p, s, worker, part) }
	switch ms.Op {
	case model.MatMul:
		s.round = func(_, part int) { roundPart(p, s, part) }
	case model.RMSNorm:
		if len(ms.Src) == 1 { // its weight is 1
			s.src[1] = slices.Repeat([]float32{1}, int(ms.Arg[1]))
		}
	case model.MatMulHeads:
		s.round = func(_, part int) { roundHeadPart(p, s, part) }
	case model.MatMulExperts:
		s.round = func(_, part int) { roundExpertsPart(p, s, part) }
	case model.Attention:
		s.scale = numerics.ScoreScale(ms.ArgFloat(4))
		if cap := ms.ArgFloat(6); cap != 0 {
			s.scale, s.cap = numerics.CapScale(ms.ArgFloat(4), cap), numerics.ScoreScale(cap)
		}
		if s.kept[2].keys && ms.Src[1] != ms.Src[2] {
			return model.Unsupported(fmt.Errorf("cpu: the memory %s is of keys and, in another place, of values", s.kept[2].tensor.Name))
		}
	}
	return nil
}

// Run implements model.Program.
func (p *program) Run(ctx context.Context, b *model.Batch, out *model.Outputs) error {
	if p.b == nil {
		return errors.New("cpu: Run of a closed program")
	}
	if err := b.Check(p.plan, p.o.Size); err != nil {
		return err
	}
	if p.plan.Hidden != model.None {
		copy(p.place(p.plan.Hidden), b.Rows)
	} else if len(b.Rows) > 0 && !p.o.Rows {
		return errors.New("cpu: a token without id in a program that was compiled for ids alone")
	}
	p.begin(b)
	err := p.compute(ctx)
	p.batch = nil // hold nothing of the caller's
	if err != nil {
		return err
	}
	*out = model.Outputs{StepTime: p.stepTime}
	if p.plan.Samples() {
		out.Tokens = p.tokens[:p.last.Want]
	}
	if !p.plan.Samples() || b.LogitsWanted() {
		id := p.plan.Answer()
		out.Rows = p.place(id)[:p.plan.Rows(id, p.last)*p.plan.Tensors[id].Cols]
	}
	return nil
}

// begin notes whose the tokens of a batch are.
func (p *program) begin(b *model.Batch) {
	p.batch, p.last = b, b.Size(p.plan)
	p.rounded, p.routed = model.None, model.None
	clear(p.turned)
	at := 0
	for s := range b.Seqs {
		p.first[s] = int32(at)
		for range b.Seqs[s].N {
			p.seq[at] = int32(s)
			at++
		}
	}
}

// compute runs the steps.
func (p *program) compute(ctx context.Context) error {
	for i := range p.steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		var start time.Time
		if p.stepTime != nil {
			start = time.Now()
		}
		s := &p.steps[i]
		k := &kernels[s.Op]
		if k.before != nil {
			if err := k.before(p, s); err != nil {
				return err
			}
		}
		if err := p.b.pool.run(k.parts(p, s), s.part); err != nil {
			return err
		}
		if p.stepTime != nil {
			p.stepTime[i] = time.Since(start)
		}
	}
	return nil
}

// Read implements model.Program.
func (p *program) Read(id model.ID, dst []float32) (int, error) {
	if p.b == nil || !p.o.Trace || id < 0 || int(id) >= len(p.plan.Tensors) || p.layout.offset[id] < 0 || p.plan.Samples() && id == p.plan.Result {
		return 0, fmt.Errorf("cpu: tensor %d is not kept", id)
	}
	n := p.plan.Rows(id, p.last) * p.plan.Tensors[id].Cols
	if len(dst) < n {
		return 0, fmt.Errorf("cpu: room for %d values of %s, which has %d", len(dst), p.plan.Tensors[id].Name, n)
	}
	return copy(dst, p.place(id)[:n]), nil
}

// Close implements model.Program.
func (p *program) Close() error {
	if b := p.b; b != nil {
		if i := slices.Index(b.programs, p); i >= 0 {
			b.programs = slices.Delete(b.programs, i, i+1)
		}
		b.held.Add(-p.layout.bytes())
		p.b, p.mem, p.steps, p.turns = nil, nil, nil, nil
	}
	return nil
}

// rows is how many rows of the step's output this run computes.
func (p *program) rows(s *step) int {
	if s.Op == model.Store {
		return p.last.Tokens
	}
	return p.plan.Rows(s.Dst, p.last)
}

// position is the place of token i in its sequence.
func (p *program) position(i int) int { return int(p.batch.Pos[i*p.plan.Axes]) }

// table is where the sequence of token i has its memory in a pool.
func (p *program) table(i int, m *memory) []int32 {
	return p.batch.Seqs[p.seq[i]].Units[m.tensor.Pool]
}

// row returns row i of m, whose rows have n elements.
func row[T any](m []T, i, n int) []T { return m[i*n:][:n:n] }
