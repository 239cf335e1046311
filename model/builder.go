package model

import (
	"fmt"

	"eclat/loader"
	"eclat/loader/quant"
)

// Builder writes a Plan. Its methods append one step each (builder_ops.go) and
// return the tensor it writes. The first fault (a missing tensor, a wrong shape) is
// kept in err and the rest of the build is harmless.
type Builder struct {
	plan   Plan
	file   *loader.File // for which optional tensors exist, and their types
	room   Room
	byName map[string]ID
	err    error
}

// NewBuilder starts a plan over the tensors of file, with memory of the given room.
func NewBuilder(file *loader.File, room Room) *Builder {
	return &Builder{
		plan:   Plan{Axes: 1, Hidden: None, Result: None},
		file:   file,
		room:   room,
		byName: map[string]ID{},
	}
}

// Plan ends the build; result is the tensor that Run returns.
func (b *Builder) Plan(result ID) (*Plan, error) {
	if b.err != nil {
		return nil, b.err
	}
	b.plan.Result = result
	for i := range b.plan.Steps {
		s := &b.plan.Steps[i]
		if s.Op == Embed {
			b.plan.Vocab = b.plan.Tensors[s.Src[0]].Rows
		}
		if err := b.plan.checkStep(s); err != nil {
			return nil, err
		}
	}
	return &b.plan, nil
}

// Failed reports whether a fault was met, so that a loop over layers can end.
func (b *Builder) Failed() bool { return b.err != nil }

// Unsupported ends the build of a stage that the model cannot be cut into.
func (b *Builder) Unsupported(format string, args ...any) {
	if b.err == nil {
		b.err = Unsupported(fmt.Errorf("%s: "+format, append([]any{b.file.Path}, args...)...))
	}
}

// tensor adds t to the plan. Weights and memory may be named again; two activations
// of one name are a mistake of the architecture's author.
func (b *Builder) tensor(t Tensor) ID {
	if id, ok := b.byName[t.Name]; ok {
		if old := b.plan.Tensors[id]; old.Kind != t.Kind || t.Kind != Weight && t.Kind != Kept {
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

// activation returns a new activation of rows of cols elements.
func (b *Builder) activation(name string, kind Kind, cols int) ID {
	return b.tensor(Tensor{Name: name, Kind: kind, Type: quant.F32, Cols: cols})
}

// like returns a new activation with as many rows as x.
func (b *Builder) like(x ID, name string, cols int) ID {
	return b.activation(name, b.plan.Tensors[x].Kind, cols)
}

// Cols returns the elements of a row of a tensor.
func (b *Builder) Cols(x ID) int { return b.plan.Tensors[x].Cols }

// Weight declares the weight name of shape (rows, cols), read from the file.
func (b *Builder) Weight(name string, rows, cols int) ID {
	return b.tensor(Tensor{Name: name, Kind: Weight, Type: b.typeOf(name, rows, cols), Cols: cols, Rows: rows})
}

// RowsOf declares n rows, from row first on, of the weight name of shape (rows, cols), as
// a weight of their own.
func (b *Builder) RowsOf(name string, rows, cols, first, n int) ID {
	return b.part(fmt.Sprintf("%s[%d:%d]", name, first, first+n), name, rows, cols, first*cols, n, cols)
}

// ElementsOf declares n elements, from element first on, of the weight name of one row of
// length elements, as a weight of their own, (1, n).
func (b *Builder) ElementsOf(name string, length, first, n int) ID {
	return b.part(fmt.Sprintf("%s[%d:%d]", name, first, first+n), name, 1, length, first, 1, n)
}

// part declares a weight (n, width) that begins with element first of the weight of.
func (b *Builder) part(name, of string, rows, cols, first, n, width int) ID {
	t := Tensor{Name: name, Kind: Weight, Type: b.typeOf(of, rows, cols), Rows: n, Cols: width, Of: of, First: first}
	if b.err == nil {
		if _, err := t.part(b.file.Tensor(of)); err != nil {
			b.err = b.file.Errorf(of, "%v", err)
		}
	}
	return b.tensor(t)
}

// Again declares a weight as another plan of the same file has it.
func (b *Builder) Again(w Tensor) ID { return b.tensor(w) }

// typeOf is the type of the file's tensor name, which must be of shape (rows, cols).
func (b *Builder) typeOf(name string, rows, cols int) quant.Type {
	t := b.file.Tensor(name)
	switch {
	case b.err != nil:
	case t == nil:
		b.err = b.file.Errorf(name, "the tensor is missing")
	case t.Dims[0] != cols || t.Elems() != rows*cols:
		b.err = b.file.Errorf(name, "its shape is %s, but the model's configuration asks for %s", Shape(t.Dims...), Shape(cols, rows))
	case !t.Type.CanDecode():
		b.err = UnsupportedError{b.file.Errorf(name, "type %s is not supported; supported are %s", t.Type, quant.DecodableTypes())}
	default:
		return t.Type
	}
	return quant.F32
}

// Vector declares the weight name of n elements as one row, (1, n), whatever rows the
// file has it in.
func (b *Builder) Vector(name string, n int) ID {
	if t := b.file.Tensor(name); b.err == nil && t != nil && t.Elems() == n {
		b.Weight(name, t.Rows(), t.Dims[0]) // its type
	} else {
		b.Weight(name, 1, n)
	}
	id := b.byName[name]
	b.plan.Tensors[id].Rows, b.plan.Tensors[id].Cols = 1, n
	return id
}

// Has reports whether the file has the tensor.
func (b *Builder) Has(name string) bool { return b.file.Tensor(name) != nil }

// HasRows reports whether the file has the tensor, with so many rows.
func (b *Builder) HasRows(name string, rows int) bool {
	t := b.file.Tensor(name)
	return t != nil && t.Rows() == rows
}

// Memory declares what is kept from run to run.
func (b *Builder) Memory(m Memory) ID {
	pool := -1
	for i, p := range b.plan.Pools {
		if p.Per == m.Per && p.Window == m.Window {
			pool = i
		}
	}
	if pool < 0 {
		pool = len(b.plan.Pools)
		b.plan.Pools = append(b.plan.Pools, Pool{m.Per, m.Window, b.room.units(m.Per, m.Window)})
	}
	p := b.plan.Pools[pool]
	return b.tensor(Tensor{Name: m.Name, Kind: Kept, Type: m.Type, Cols: m.Cols, Rows: p.Units * p.RowsOf(), Pool: pool})
}

// Keys declares memory of keys, in heads of dim elements, of the type that the room has for
// them; Values of values.
func (b *Builder) Keys(m Memory, dim int) ID { return b.cache(m, "keys", b.room.Keys, dim) }

func (b *Builder) Values(m Memory, dim int) ID { return b.cache(m, "values", b.room.Values, dim) }

func (b *Builder) cache(m Memory, what string, c CacheType, dim int) ID {
	m.Type = c.Type()
	if b.err == nil && InBlocks(m.Type) && dim%32 != 0 {
		b.err = &CacheTypeError{what, c, m.Name, dim}
	}
	return b.Memory(m)
}

// Rope adds a table of rotary angles, once for equal ones, and returns its index.
func (b *Builder) Rope(r Rope) int {
	for i := range b.plan.Ropes {
		if b.plan.Ropes[i].equal(&r) {
			return i
		}
	}
	b.plan.Ropes = append(b.plan.Ropes, r)
	return len(b.plan.Ropes) - 1
}

// Axes says how many positions a token has.
func (b *Builder) Axes(n int) { b.plan.Axes = n }
