package arch

import (
	"slices"
	"strings"

	"eclat/loader"
	"eclat/model"
)

// architecture is one family of models; each lives in a file of its own.
type architecture struct {
	name string // general.architecture
	// read reads the configuration; the first fault is kept by the reader.
	read func(r *reader) model.Config
	// build writes a stage, from embedding to head.
	build model.BuildFunc
}

// architectures is the one table of families.
var architectures = []architecture{
	llama, qwen3, qwen3moe, qwen2moe, glm4moe, ernie4_5moe, hunyuanMoE, minimaxM2,
	qwen35, qwen35moe, qwen3next, lfm2, lfm2moe, nemotronH, graniteHybrid,
}

// Open reads and checks the configuration of an open file. A file that is not a
// sound model of a supported architecture gives a *loader.FormatError.
func Open(f *loader.File) (*model.Model, error) {
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
		return nil, model.Unsupported(f.Errorf(key, "architecture %.64q is not supported; supported are %s", name, Names()))
	}
	if len(f.Tensors) == 0 {
		return nil, model.Unsupported(f.Errorf("tensor count", "the file has no tensors: a vocabulary alone cannot be run"))
	}
	r := &reader{file: f, arch: name}
	c := architectures[i].read(r)
	if r.err != nil {
		return nil, r.err
	}
	return model.New(f, c, architectures[i].build)
}

// Names lists the supported architectures, for messages.
func Names() string {
	var names []string
	for _, a := range architectures {
		names = append(names, a.name)
	}
	return strings.Join(names, ", ")
}
