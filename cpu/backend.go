package cpu

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"eclat/cpu/host"
	"eclat/cpu/kernel"
	"eclat/loader"
	"eclat/model"
	"eclat/model/sample"
)

// Backend implements model.Backend.
type Backend struct {
	info     model.DeviceInfo
	progress func(what string, done, total int64) // may be nil
	held     atomic.Int64                         // bytes, for Info
	state    state
	pool     *pool

	weights map[string]*loader.Tensor
	vectors map[string][]float32 // decoded weights of norms, biases and filters
	memory  map[string]*memory
	pools   [][]*memory // by pool of the plan
	units   []int       // of each pool

	programs []*program
	form     *kernel.Form
	input    kernel.Input     // of the product at hand
	inputMem []float32        // of input
	scratch  []worked         // one a worker
	need     kernel.Need      // that each scratch has room for
	each     int              // floats of a scratch
	samplers []sample.Sampler // one a worker
	vocab    int              // that the samplers have room for
}

// worked is what one worker writes while it computes.
type worked struct {
	kernel.Scratch
	top, sum         []float32     // of attention, of each head: all spans so far
	spanTop, spanSum []float32     // and the last
	turned           []float32     // values of a page that are a part of its keys
	expert           loader.Tensor // the matrix of one of many
	_                [64]byte      // no cache line is another worker's too
}

// headFloats is how many floats of its own attention has for each head.
const headFloats = 4

// floats is what a worker takes for a need.
func floats(n kernel.Need) int { return n.Len() + headFloats*n.Heads + kernel.Page*n.Turn }

func (w *worked) set(n kernel.Need, mem []float32) {
	w.Scratch.Set(n, mem[:n.Len()])
	mem = mem[n.Len():]
	for _, p := range []*[]float32{&w.top, &w.sum, &w.spanTop, &w.spanSum} {
		*p, mem = mem[:n.Heads], mem[n.Heads:]
	}
	w.turned = mem[:kernel.Page*n.Turn]
}

type state int

const (
	fresh state = iota
	loaded
	unusable // after a failed Load, or closed
)

// Info implements model.Backend.
func (b *Backend) Info() model.DeviceInfo {
	info := b.info
	info.Held = b.held.Load()
	return info
}

// Load implements model.Backend. Matrices stay where w has them; with a Progress
// function they are read once, in order, so that the first token does not wait for a
// cold disk page by page.
func (b *Backend) Load(ctx context.Context, w model.Weights, p *model.Plan) error {
	if b.state != fresh {
		return errors.New("cpu: Load of a backend that was loaded or closed before")
	}
	b.state = unusable
	if err := ctx.Err(); err != nil {
		return err
	}
	b.weights, b.vectors = map[string]*loader.Tensor{}, map[string][]float32{}
	for _, want := range p.Weights() {
		t, err := model.MappedWeight(w, want)
		if err != nil {
			return fmt.Errorf("cpu: %w", err)
		}
		b.weights[want.Name] = t
	}
	if err := b.makeMemory(p); err != nil {
		return err
	}
	for _, pl := range p.Pools {
		b.units = append(b.units, pl.Units)
	}
	if err := b.decodeVectors(p); err != nil {
		return err
	}
	b.held.Add(p.MemoryBytes() + vectorBytes(p))
	if b.progress != nil {
		if err := b.readAhead(ctx, p); err != nil {
			return err
		}
	}
	b.state = loaded
	return nil
}

// isVector reports whether source j of a step is a weight that is kept decoded.
func isVector(p *model.Plan, s *model.Step, j int) bool {
	matrix := j == 0 && (s.Op == model.MatMul || s.Op == model.MatMulHeads || s.Op == model.MatMulExperts || s.Op == model.Embed)
	return p.Tensors[s.Src[j]].Kind == model.Weight && !matrix
}

// eachVector calls f for each weight that is kept decoded, once.
func eachVector(p *model.Plan, f func(t *model.Tensor)) {
	seen := make([]bool, len(p.Tensors))
	for i := range p.Steps {
		s := &p.Steps[i]
		for j, id := range s.Src {
			if isVector(p, s, j) && !seen[id] {
				seen[id] = true
				f(&p.Tensors[id])
			}
		}
	}
}

// vectorBytes is what the decoded weights of p take.
func vectorBytes(p *model.Plan) (n int64) {
	eachVector(p, func(t *model.Tensor) { n += 4 * int64(t.Rows) * int64(t.Cols) })
	return n
}

func (b *Backend) decodeVectors(p *model.Plan) error {
	return b.pool.do(func() {
		eachVector(p, func(t *model.Tensor) {
			v := make([]float32, t.Rows*t.Cols)
			kernel.DecodeFlushed(t.Type, v, b.weights[t.Name].Data)
			b.vectors[t.Name] = v
		})
	})
}

// readAhead touches every page of the weights in the order of the plan, near enough
// that of the file.
func (b *Backend) readAhead(ctx context.Context, p *model.Plan) error {
	const page, report = 4096, 64 << 20
	var total, done int64
	for _, t := range p.Weights() {
		total += b.weights[t.Name].Size
	}
	b.progress("weights", 0, total)
	var sum byte
	for _, t := range p.Weights() {
		for part := range slices.Chunk(b.weights[t.Name].Data, report) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := b.pool.do(func() {
				for i := 0; i < len(part); i += page {
					sum += part[i]
				}
			}); err != nil {
				return err
			}
			done += int64(len(part))
			b.progress("weights", done, total)
		}
	}
	runtime.KeepAlive(sum)
	return ctx.Err()
}

// Pages implements model.Backend.
func (b *Backend) Pages() model.PageIO { return pageIO{b} }

// Close implements model.Backend. It ends the goroutines.
func (b *Backend) Close() error {
	for len(b.programs) > 0 {
		b.programs[0].Close()
	}
	b.pool.close()
	b.state = unusable
	b.weights, b.vectors, b.memory, b.pools, b.scratch, b.samplers = nil, nil, nil, nil, nil, nil
	b.inputMem, b.input = nil, kernel.Input{}
	b.held.Store(0)
	return nil
}

// reserve makes room in each worker's own memory, and for rounded rows, for what a
// program needs.
func (b *Backend) reserve(n layout) error {
	if need := b.need.Max(n.need); need != b.need {
		each := floats(need)
		for w := range b.scratch {
			mem, err := host.Make[float32](1, int64(each), "scratch")
			if err != nil {
				return err
			}
			b.scratch[w].set(need, mem)
		}
		b.held.Add(4 * int64(each-b.each) * int64(len(b.scratch)))
		b.need, b.each = need, each
	}
	if more := n.input - len(b.inputMem); more > 0 {
		var err error
		if b.inputMem, err = host.Make[float32](1, int64(n.input), "rounded rows"); err != nil {
			return err
		}
		b.held.Add(4 * int64(more))
	}
	if n.vocab > b.vocab {
		for w := range b.samplers {
			b.samplers[w].Reserve(n.vocab)
		}
		b.held.Add(sample.CandidateBytes * int64(n.vocab-b.vocab) * int64(len(b.samplers)))
		b.vocab = n.vocab
	}
	return nil
}
