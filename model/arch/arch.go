package arch

import (
	"slices"
	"strings"

	"eclat/loader"
	"eclat/loader/spelling"
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
	llama, qwen2, qwen3, mistral3, gemma, gemma2, gemma3, phi3, granite, smolLM3, glm4, olmo2, exaone4, seedOSS,
	ernie4_5, hunyuanDense, cohere2, gemma4,
	qwen35, qwen35moe, qwen3next, lfm2, lfm2moe, nemotronH, graniteHybrid,
	qwen3moe, qwen2moe, glm4moe, ernie4_5moe, hunyuanMoE, minimaxM2, deepseek2, mistral4,
	gptOSS, graniteMoE, nemotronHMoE, qwen2vl, qwen3vl, qwen3vlmoe,
	stableLM, starcoder2, nemotron, bitnet, falconH1, llama4,
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
		near := ""
		if n := nearest(name); n != "" {
			near = "; the nearest is " + n
		}
		return nil, model.Unsupported(f.Errorf(key, "architecture %.24q is not supported; supported are llama, qwen3 and %d more%s", name, len(architectures)-2, near))
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

// Names lists the architectures, as general.architecture has them.
func Names() (names []string) {
	for _, a := range architectures {
		names = append(names, a.name)
	}
	return names
}

// Supports reports whether a file of an architecture can be opened, if it is sound.
func Supports(architecture string) bool { return slices.Contains(Names(), architecture) }

// nearest is the architecture whose name is the fewest letters from name, "" where that is
// more than half of them.
func nearest(name string) (best string) {
	const longest = 32
	if len(name) > longest {
		return ""
	}
	few := len(name)/2 + 1
	for _, a := range architectures {
		if d := spelling.Distance(strings.ToLower(name), a.name); d < few {
			few, best = d, a.name
		}
	}
	return best
}
