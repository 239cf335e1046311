package model

import (
	"eclat/loader"
)

// Model is a checked model: its file, its configuration, and how a plan of it is
// written. Package arch makes it.
type Model struct {
	File   *loader.File
	Config Config
	build  BuildFunc
	pools  []Pool // of the whole model; Units mean nothing
}

// BuildFunc writes the steps of a stage and returns the tensor that a run returns:
// hidden rows, or with st.Head logits, or with st.Normed what they are made of.
type BuildFunc func(b *Builder, c *Config, st Stage) ID

// New makes a model of an architecture's parts. Building the whole model's plan
// checks every tensor's presence, shape and type.
func New(f *loader.File, c Config, build BuildFunc) (*Model, error) {
	m := &Model{File: f, Config: c, build: build}
	p, err := m.Describe(m.Whole(), Room{Pages: 1})
	if err != nil {
		return nil, err
	}
	m.pools = p.Pools
	return m, nil
}

// Stage is a contiguous range of layers, with or without the ends of the model.
type Stage struct {
	First, End int  // layers First…End−1
	Embed      bool // begins with the token embedding
	Head       bool // ends with the final norm and the output matrix
	Sample     bool // after Head: ends with a token instead of logits
	Normed     bool // of Head the final norm alone: ends with the rows that logits are made of
}

// Whole is the stage of the whole model, ending with logits.
func (m *Model) Whole() Stage { return Stage{End: m.Config.NLayer, Embed: true, Head: true} }

// Last is the stage of the last n layers with the head, and with the embedding
// where they are all.
func (m *Model) Last(n int) Stage {
	return Stage{First: m.Config.NLayer - n, End: m.Config.NLayer, Embed: n == m.Config.NLayer, Head: true}
}

// Before is the stage of what comes before st, from the embedding on.
func (m *Model) Before(st Stage) Stage { return Stage{End: st.First, Embed: true} }

// Layers is the number of layers of the stage.
func (st Stage) Layers() int { return st.End - st.First }

// Plan writes the plan of a stage with memory of the given room. The stage's
// weights are mapped: a fragments folder that lacks some of them is a
// *loader.FormatError.
func (m *Model) Plan(st Stage, room Room) (*Plan, error) {
	p, err := m.Describe(st, room)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range p.Weights() {
		names = append(names, t.Source())
	}
	return p, m.File.Map(names...)
}

// Describe writes the plan from what the header says of the tensors, whose bytes
// need not be there. Every stage has the pools of the whole model, in the same order,
// so that one sequence's tables serve all stages.
func (m *Model) Describe(st Stage, room Room) (*Plan, error) {
	b := m.Builder(room)
	x := m.build(b, &m.Config, st)
	if st.Head && st.Sample && !st.Normed && b.err == nil {
		x = b.Sample("token", x)
	}
	p, err := b.Plan(x)
	if err == nil {
		p.Stage, p.Room = st, room
	}
	return p, err
}

// Builder starts a plan over the model's tensors and pools, for a backend that holds a
// stage of it.
func (m *Model) Builder(room Room) *Builder {
	b := NewBuilder(m.File, room)
	for _, p := range m.pools {
		b.plan.Pools = append(b.plan.Pools, Pool{p.Per, p.Window, room.units(p.Per, p.Window)})
	}
	return b
}

// StateBytes is what the states of one sequence cost, over all layers, in bytes.
func (m *Model) StateBytes() (n int64) {
	p, err := m.Describe(m.Whole(), Room{Pages: 1})
	if err != nil {
		return 0
	}
	for i, pool := range p.Pools {
		if pool.Per == Sequence {
			n += p.UnitBytes(i)
		}
	}
	return n
}

// PositionBytes is what one position costs in memory that keeps all positions, over
// all layers, in bytes, with keys and values kept so.
func (m *Model) PositionBytes(keys, values CacheType) int64 {
	p, err := m.Describe(m.Whole(), Room{Pages: 1, Keys: keys, Values: values})
	if err != nil {
		return 0
	}
	var n int64
	for i, pool := range p.Pools {
		if pool.Per == Position {
			n += p.UnitBytes(i) / PageLen
		}
	}
	return n
}
