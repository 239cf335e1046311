package cpu

import (
	"fmt"
	"runtime"
	"time"

	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model"
)

// Options configures New.
type Options struct {
	Threads  int                           // goroutines; 0 for one a processor
	Progress func(done, total int64) error // told while Load reads the weights' bytes, and ends it with an error; may be nil
}

// Backend implements model.Backend.
type Backend struct {
	kernels  *kernels
	pool     *pool
	progress func(done, total int64) error
	weights  map[string]*loader.Tensor
	caches   map[string][]uint16 // halves, (Rows, Cols)
}

// kernels is one function an op. Each computes step s of p for the inputs in p.in.
type kernels [model.Sample + 1]func(p *program, s *step)

// Threads returns the number of goroutines that Options.Threads stands for.
func Threads(n int) int {
	if n <= 0 {
		return runtime.GOMAXPROCS(0)
	}
	return n
}

// New returns the multi-threaded backend.
func New(o Options) *Backend {
	return &Backend{kernels: &fastKernels, pool: newPool(Threads(o.Threads)), progress: o.Progress}
}

// NewRef returns the reference backend.
func NewRef() *Backend { return &Backend{kernels: &refKernels, pool: newPool(1)} }

// Load finds the weights in src and makes the caches. The weights' bytes stay
// where src has them; with a Progress function they are read once, in order, so
// that the first token does not wait for a cold disk page by page.
func (b *Backend) Load(src *loader.File, keep []model.Tensor) error {
	b.weights, b.caches = map[string]*loader.Tensor{}, map[string][]uint16{}
	var total, done int64
	for _, t := range keep {
		if t.Kind == model.Cache {
			b.caches[t.Name] = make([]uint16, t.Rows*t.Cols)
			continue
		}
		w := src.Tensor(t.Name)
		if w == nil {
			return fmt.Errorf("cpu: the file has no tensor %s", t.Name)
		}
		b.weights[t.Name] = w
		total += w.Size
	}
	if b.progress == nil {
		return nil
	}
	if err := b.progress(0, total); err != nil {
		return err
	}
	const page, report = 4096, 64 << 20
	var sum byte
	for _, t := range keep { // the order of the plan, near enough that of the file
		w := b.weights[t.Name]
		if w == nil {
			continue
		}
		for at := int64(0); at < w.Size; at += report {
			part := w.Data[at:min(at+report, w.Size)]
			for i := 0; i < len(part); i += page {
				sum += part[i]
			}
			done += int64(len(part))
			if err := b.progress(done, total); err != nil {
				return err
			}
		}
	}
	runtime.KeepAlive(sum)
	return nil
}

// Close stops the goroutines and drops the caches.
func (b *Backend) Close() error {
	b.pool.close()
	b.caches = nil
	return nil
}

// program is a compiled plan: the steps with their memory.
type program struct {
	b        *Backend
	plan     *model.Plan
	offset   []int      // of each activation in mem
	last     model.Rows // of the last run, for Read
	in       model.Inputs
	steps    []step
	mem      []float32   // all activations
	turns    [][]float32 // for each rope, (Tokens, pairs, 2) cosines and sines of this run
	turned   uint64      // which of turns are of this run, a bit each
	scratch  [][]float32 // one a goroutine: a decoded row, or attention scores
	hidden   []float32
	result   []float32
	tokens   []int32 // of a plan that ends with Sample
	sampler  model.Sampler
	job      job
	stepTime []time.Duration // of a plan with Profile set
}

// step is a model.Step with names resolved to memory.
type step struct {
	*model.Step
	dst     []float32              // activations; nil for Store
	src     [3][]float32           // activations and F32 weights of one row
	weight  *loader.Tensor         // of Embed and MatMul
	cache   [2][]uint16            // Store: the target; Attention: keys, values
	dstCols int                    // elements in a row of dst
	srcCols [3]int                 // elements in a row of each source
	dstID   model.ID               // for the number of active rows
	bias    bool                   // Add: source 1 is a bias
	part    func(worker, part int) // what a goroutine does, bound once here so that Run allocates nothing
}

// Compile lays out the activations and resolves every step.
func (b *Backend) Compile(plan *model.Plan) (model.Program, error) {
	offset, size := plan.Arena(plan.ByStep(), plan.Result)
	p := &program{b: b, plan: plan, offset: offset, mem: make([]float32, size)}
	if plan.Profile {
		p.stepTime = make([]time.Duration, len(plan.Steps))
	}
	at := func(id model.ID) []float32 {
		t := plan.Tensors[id]
		return p.mem[offset[id]:][: t.Rows*t.Cols : t.Rows*t.Cols]
	}
	longest := 0
	for i := range plan.Steps {
		ms := &plan.Steps[i]
		dt := plan.Tensors[ms.Dst]
		s := step{Step: ms, dstCols: dt.Cols, dstID: ms.Dst}
		if dt.Kind == model.Cache {
			s.cache[0] = b.caches[dt.Name]
		} else {
			s.dst = at(ms.Dst)
		}
		for j, id := range ms.Src {
			t := plan.Tensors[id]
			s.srcCols[j] = t.Cols
			switch t.Kind {
			case model.Weight:
				w := b.weights[t.Name]
				if w == nil {
					return nil, fmt.Errorf("cpu: the weight %s was not loaded", t.Name)
				}
				s.weight = w
				if t.Rows == 1 && ms.Op != model.MatMul && ms.Op != model.Embed { // a norm's or a bias's vector
					s.src[j] = make([]float32, t.Cols)
					quant.Decode(w.Type, s.src[j], w.Data)
					s.bias = true
				}
				longest = max(longest, t.Cols)
			case model.Cache:
				s.cache[j-1] = b.caches[t.Name]
				longest = max(longest, t.Rows)
			default:
				s.src[j] = at(id)
			}
		}
		p.steps = append(p.steps, s)
	}
	for _, r := range plan.Ropes {
		p.turns = append(p.turns, make([]float32, plan.Tokens*len(r.Freq)*2))
	}
	for range b.pool.threads {
		p.scratch = append(p.scratch, make([]float32, longest))
	}
	if plan.Hidden != model.None {
		p.hidden = at(plan.Hidden)
	}
	p.result = at(plan.Result)
	if plan.Tensors[plan.Result].Type == quant.I32 {
		p.result, p.tokens = nil, make([]int32, plan.Logits)
	}
	if b.kernels == &fastKernels {
		for i := range p.steps {
			p.bind(&p.steps[i])
		}
	}
	return p, nil
}

// Run implements model.Program.
func (p *program) Run(in model.Inputs, out *model.Outputs) error {
	if err := p.plan.Check(&in); err != nil {
		return err
	}
	p.in, p.turned = in, 0
	copy(p.hidden, in.Hidden)
	for i := range p.steps {
		s := &p.steps[i]
		if p.stepTime == nil {
			p.b.kernels[s.Op](p, s)
			continue
		}
		start := time.Now()
		p.b.kernels[s.Op](p, s)
		p.stepTime[i] = time.Since(start)
	}
	out.Result, out.Tokens, out.StepTime = nil, nil, p.stepTime
	if n := p.plan.ActiveRows(p.plan.Result, in.Rows()); p.tokens != nil {
		out.Tokens = p.tokens[:n]
	} else {
		out.Result = p.result[:n*p.plan.Tensors[p.plan.Result].Cols]
	}
	p.last = in.Rows()
	p.in = model.Inputs{} // hold nothing of the caller's
	return nil
}

// Read implements model.Program.
func (p *program) Read(id model.ID, dst []float32) (int, error) {
	t := p.plan.Tensors[id]
	if !p.plan.Trace || p.offset[id] < 0 {
		return 0, fmt.Errorf("cpu: %s is not kept", t.Name)
	}
	return copy(dst, p.mem[p.offset[id]:][:p.plan.ActiveRows(id, p.last)*t.Cols]), nil
}

// Close implements model.Program; the memory is the collector's.
func (p *program) Close() error { return nil }

// rows is how many rows of the step's output this run computes.
func (p *program) rows(s *step) int {
	if s.Op == model.Store {
		return len(p.in.Pos)
	}
	return p.plan.ActiveRows(s.dstID, p.in.Rows())
}

// cacheRow returns the row of a cache that holds position pos of token i's sequence.
func (p *program) cacheRow(i, pos int) int {
	table := p.in.Pages[p.in.Seq[i]]
	return int(table[pos/model.PageLen])*model.PageLen + pos%model.PageLen
}

// row returns row i of m, whose rows have n elements.
func row[T any](m []T, i, n int) []T { return m[i*n:][:n:n] }

// toHalf rounds to f16 within its range: an infinite key or value would turn
// every later softmax into NaN.
func toHalf(x float32) uint16 {
	const largest = 65504
	return quant.FloatToHalf(min(largest, max(-largest, x)))
}

// Threads returns the number of goroutines that share the work.
func (b *Backend) Threads() int { return b.pool.threads }
