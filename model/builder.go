package model

import (
	"math"

	"eclat/loader"
	"eclat/loader/quant"
)

// Builder writes a Plan. Each method appends one step and returns the tensor it
// writes. The first fault (a missing tensor, a wrong shape) is kept in err and
// the rest of the build is harmless.
type Builder struct {
	plan   Plan
	file   *loader.File // for which optional tensors exist, and their types
	pages  int          // pages of every cache
	byName map[string]ID
	err    error
}

// NewBuilder starts a plan for up to tokens tokens and logits rows of logits
// over the tensors of file, with caches of the given number of pages.
func NewBuilder(file *loader.File, tokens, logits, pages int) *Builder {
	return &Builder{
		plan:   Plan{Tokens: tokens, Logits: logits, Hidden: None, Result: None},
		file:   file,
		pages:  pages,
		byName: map[string]ID{},
	}
}

// Plan ends the build; result is the tensor that Run returns.
func (b *Builder) Plan(result ID) (*Plan, error) {
	if b.err != nil {
		return nil, b.err
	}
	b.plan.Result = result
	for _, s := range b.plan.Steps {
		switch s.Op {
		case Embed:
			b.plan.vocab = b.plan.Tensors[s.Src[0]].Rows
		case Store:
			b.plan.cacheRows = b.plan.Tensors[s.Dst].Rows
		}
	}
	return &b.plan, nil
}

// tensor adds t to the plan. Weights and caches may be named again; two
// activations of one name are a mistake of the architecture's author.
func (b *Builder) tensor(t Tensor) ID {
	if id, ok := b.byName[t.Name]; ok {
		if old := b.plan.Tensors[id]; old.Kind != t.Kind || t.Kind != Weight && t.Kind != Cache {
			panic("model: two tensors of one plan are named " + t.Name)
		}
		return id
	}
	id := ID(len(b.plan.Tensors))
	b.plan.Tensors = append(b.plan.Tensors, t)
	b.byName[t.Name] = id
	return id
}

func (b *Builder) step(dst ID, op Op, arg [8]uint32, src ...ID) ID {
	b.plan.Steps = append(b.plan.Steps, Step{op, dst, src, arg})
	return dst
}

// like returns a new activation with as many rows as x.
func (b *Builder) like(x ID, name string, cols int) ID {
	t := b.plan.Tensors[x]
	return b.tensor(Tensor{name, t.Kind, quant.F32, cols, t.Rows})
}

func (b *Builder) cols(x ID) int { return b.plan.Tensors[x].Cols }

// Weight declares the weight name of shape (rows, cols), read from the file.
func (b *Builder) Weight(name string, rows, cols int) ID {
	t := b.file.Tensor(name)
	ty := quant.F32
	switch {
	case b.err != nil:
	case t == nil:
		b.err = b.file.Errorf(name, "the tensor is missing")
	case t.Dims[0] != cols || t.Elems() != rows*cols:
		b.err = b.file.Errorf(name, "its shape is %s, but the model's configuration asks for %s", Shape(t.Dims...), Shape(cols, rows))
	case !t.Type.CanDecode():
		b.err = UnsupportedError{b.file.Errorf(name, "type %s is not supported; supported are %s", t.Type, quant.DecodableTypes())}
	default:
		ty = t.Type
	}
	return b.tensor(Tensor{name, Weight, ty, cols, rows})
}

// Has reports whether the file has the tensor.
func (b *Builder) Has(name string) bool { return b.file.Tensor(name) != nil }

// Cache declares key or value memory with rows of cols elements.
func (b *Builder) Cache(name string, cols int) ID {
	return b.tensor(Tensor{name, Cache, quant.F16, cols, b.pages * PageLen})
}

// Rope adds a table of rotary angles and returns its index.
func (b *Builder) Rope(r Rope) int {
	b.plan.Ropes = append(b.plan.Ropes, r)
	return len(b.plan.Ropes) - 1
}

// Receive declares the rows that a stage takes from the one before, (tokens, cols).
func (b *Builder) Receive(name string, cols int) ID {
	b.plan.Hidden = b.tensor(Tensor{name, TokenRows, quant.F32, cols, b.plan.Tokens})
	return b.plan.Hidden
}

// Embed looks up the tokens' rows of w (vocab, n): (tokens, n).
func (b *Builder) Embed(name string, w ID) ID {
	dst := b.tensor(Tensor{name, TokenRows, quant.F32, b.cols(w), b.plan.Tokens})
	return b.step(dst, Embed, [8]uint32{}, w)
}

// RMSNorm normalises the rows of x and scales them by w (1, n): (·, n).
func (b *Builder) RMSNorm(name string, x, w ID, eps float32) ID {
	return b.step(b.like(x, name, b.cols(x)), RMSNorm, [8]uint32{math.Float32bits(eps)}, x, w)
}

// MatMul multiplies the rows of x by w (m, n): (·, m).
func (b *Builder) MatMul(name string, w, x ID) ID {
	return b.step(b.like(x, name, b.plan.Tensors[w].Rows), MatMul, [8]uint32{}, w, x)
}

// RoPE rotates every head of x (·, heads·headDim) by its token's position.
func (b *Builder) RoPE(name string, x ID, headDim, rope int) ID {
	return b.step(b.like(x, name, b.cols(x)), RoPE, [8]uint32{uint32(headDim), uint32(rope)}, x)
}

// Store writes the rows of x to the cache at their tokens' positions.
func (b *Builder) Store(cache, x ID) { b.step(cache, Store, [8]uint32{}, x) }

// Attention attends from q (·, nHead·dimK) over the caches: (·, nHead·dimV).
func (b *Builder) Attention(name string, q, k, v ID, nHead, nHeadKV int, scale float32) ID {
	dimK, dimV := b.cols(k)/nHeadKV, b.cols(v)/nHeadKV
	arg := [8]uint32{uint32(nHead), uint32(nHeadKV), uint32(dimK), uint32(dimV), math.Float32bits(scale)}
	return b.step(b.like(q, name, nHead*dimV), Attention, arg, q, k, v)
}

// SwiGLU computes silu(gate)·up element by element.
func (b *Builder) SwiGLU(name string, gate, up ID) ID {
	return b.step(b.like(gate, name, b.cols(gate)), SwiGLU, [8]uint32{}, gate, up)
}

// Add adds y, or the bias y (1, n), to x.
func (b *Builder) Add(name string, x, y ID) ID {
	return b.step(b.like(x, name, b.cols(x)), Add, [8]uint32{}, x, y)
}

// Gather takes the rows of x whose logits are wanted: (logits, n).
func (b *Builder) Gather(name string, x ID) ID {
	dst := b.tensor(Tensor{name, LogitsRows, quant.F32, b.cols(x), b.plan.Logits})
	return b.step(dst, Gather, [8]uint32{}, x)
}

// Sample chooses a token from each row of logits: (logits, 1) ids.
func (b *Builder) Sample(name string, logits ID) ID {
	dst := b.tensor(Tensor{name, LogitsRows, quant.I32, 1, b.plan.Logits})
	return b.step(dst, Sample, [8]uint32{}, logits)
}
