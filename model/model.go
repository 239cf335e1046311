package model

import (
	"fmt"
	"slices"
	"strings"

	"eclat/loader"
	"eclat/loader/quant"
)

// Model is a checked model: its file and its configuration.
type Model struct {
	File   *loader.File
	Config Config
	arch   architecture
}

// architecture is one way of wiring a transformer; each lives in a file of its
// own and is listed in architectures.
type architecture struct {
	name string
	// layer appends block l to the plan: x (n, n_embd) to its successor.
	layer func(b *Builder, c *Config, l, rope int, x ID) ID
	// refuse says why a file of this architecture cannot be run, or nil.
	refuse func(f *loader.File) error
}

var architectures = []architecture{llama}

// UnsupportedError marks a sound file of a kind that cannot be run. It wraps a
// *loader.FormatError.
type UnsupportedError struct{ error }

func (e UnsupportedError) Unwrap() error { return e.error }

// Open reads and checks the configuration of an open file. A file that is not a
// sound model of a supported architecture gives a *loader.FormatError.
func Open(f *loader.File) (*Model, error) {
	const key = "general.architecture"
	v, ok := f.Get(key)
	if !ok {
		return nil, f.Errorf(key, "the key is missing")
	}
	name, ok := v.Str()
	if !ok {
		return nil, f.Errorf(key, "not a string")
	}
	i := slices.IndexFunc(architectures, func(a architecture) bool { return a.name == name })
	if i < 0 {
		return nil, UnsupportedError{f.Errorf(key, "architecture %.64q is not supported; supported are %s", name, Architectures())}
	}
	if len(f.Tensors) == 0 {
		return nil, UnsupportedError{f.Errorf("tensor count", "the file has no tensors: a vocabulary alone cannot be run")}
	}
	m := &Model{File: f, arch: architectures[i]}
	if err := m.arch.refuse(f); err != nil {
		return nil, err
	}
	var err error
	if m.Config, err = readConfig(f, name); err != nil {
		return nil, err
	}
	// Building the whole model's plan checks every tensor's presence, shape and type.
	_, err = m.build(m.Whole(), 1, 1, 1)
	return m, err
}

// Architectures lists the supported names, for messages.
func Architectures() string {
	var names []string
	for _, a := range architectures {
		names = append(names, a.name)
	}
	return strings.Join(names, ", ")
}

// Stage is a contiguous range of layers, with or without the ends of the model.
type Stage struct {
	First, End int  // layers First…End−1
	Embed      bool // begins with the token embedding
	Head       bool // ends with the final norm and the output matrix
	Sample     bool // after Head: ends with a token instead of logits
}

// Whole is the stage of the whole model.
func (m *Model) Whole() Stage { return Stage{End: m.Config.NLayer, Embed: true, Head: true} }

// Plan writes the plan of a stage for up to tokens tokens and logits rows of
// logits a run, over caches of the given number of pages. The stage's weights are
// mapped: a fragments folder that lacks some of them is a *loader.FormatError.
func (m *Model) Plan(st Stage, tokens, logits, pages int) (*Plan, error) {
	p, err := m.build(st, tokens, logits, pages)
	if err != nil {
		return nil, err
	}
	return p, m.File.Map(p.weights()...)
}

// build writes the plan from what the header says of the tensors.
func (m *Model) build(st Stage, tokens, logits, pages int) (*Plan, error) {
	c := &m.Config
	b := NewBuilder(m.File, tokens, logits, pages)
	var x ID
	if st.Embed {
		x = b.Embed("embd", b.Weight("token_embd.weight", c.NVocab, c.NEmbd))
	} else {
		x = b.Receive("hidden", c.NEmbd)
	}
	rope := b.Rope(c.Rope.Table())
	for l := st.First; l < st.End && b.err == nil; l++ {
		x = m.arch.layer(b, c, l, rope, x)
	}
	if st.Head {
		output := "output.weight"
		if !b.Has(output) { // tied: the embedding serves as output matrix
			output = "token_embd.weight"
		}
		x = b.Gather("last_hidden", x)
		x = b.RMSNorm("output_norm", x, b.Weight("output_norm.weight", 1, c.NEmbd), c.RMSEps)
		x = b.MatMul("logits", b.Weight(output, c.NVocab, c.NEmbd), x)
		if st.Sample {
			x = b.Sample("token", x)
		}
	}
	return b.Plan(x)
}

// PageBytes is what one page of key–value memory costs over all layers, in bytes.
func (c *Config) PageBytes() int64 {
	return int64(PageLen) * int64(c.NLayer) * int64(c.NHeadKV) * int64(c.HeadDimK+c.HeadDimV) * 2
}

// Pages is the number of pages that hold n positions.
func Pages(n int) int { return (n + PageLen - 1) / PageLen }

// blk returns the name of a tensor of layer l.
func blk(l int, name string) string { return fmt.Sprintf("blk.%d.%s", l, name) }

// decode reads a whole one-row tensor as float32.
func decode(t *loader.Tensor, dst []float32) { quant.Decode(t.Type, dst, t.Data) }
