package bench

import (
	"eclat/loader/quant"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Shape is a well-known model without its weights. Sizes are in elements.
type Shape struct {
	Name     string
	Layers   int
	Embd     int // n_embd
	FF       int // n_ff
	Heads    int
	HeadsKV  int
	HeadDim  int
	Vocab    int
	Context  int     // positions trained for
	RopeBase float32 // θ
	Tied     bool    // the embedding is the output matrix
}

// Shapes are the models' published configurations.
var Shapes = []Shape{
	{"magistral-small-2509", 40, 5120, 32768, 32, 8, 128, 131072, 131072, 1e9, false},
	{"mistral-nemo-12b", 40, 5120, 14336, 32, 8, 128, 131072, 131072, 1e6, false},
	{"mistral-7b-v0.3", 32, 4096, 14336, 32, 8, 128, 32768, 32768, 1e6, false},
	{"llama-3.1-8b", 32, 4096, 14336, 32, 8, 128, 128256, 131072, 5e5, false},
	{"llama-3.2-3b", 28, 3072, 8192, 24, 8, 128, 128256, 131072, 5e5, true},
	{"llama-3.2-1b", 16, 2048, 8192, 32, 8, 64, 128256, 131072, 5e5, true},
	{"llama-2-13b", 40, 5120, 13824, 40, 40, 128, 32000, 4096, 1e4, false},
	{"llama-2-7b", 32, 4096, 11008, 32, 32, 128, 32000, 4096, 1e4, false},
	{"tinyllama-1.1b", 22, 2048, 5632, 32, 4, 64, 32000, 2048, 1e4, false},
}

// ParseShape reads NAME or NAME:LAYERS.
func ParseShape(s string) (Shape, error) {
	name, layers, cut := strings.Cut(s, ":")
	i := slices.IndexFunc(Shapes, func(x Shape) bool { return x.Name == name })
	if i < 0 {
		var names []string
		for _, x := range Shapes {
			names = append(names, x.Name)
		}
		return Shape{}, fmt.Errorf("no shape %.12q; there are %s", name, strings.Join(names, ", "))
	}
	shape := Shapes[i]
	if cut {
		n, err := strconv.Atoi(layers)
		if err != nil || n < 1 || n > shape.Layers {
			return Shape{}, fmt.Errorf("%.20q is not a number of layers from 1 to %d", layers, shape.Layers)
		}
		shape.Layers = n
	}
	return shape, nil
}

// part is one tensor of a shape.
type part struct {
	name string
	ty   quant.Type
	dims []int // innermost first
}

// moreBits says which layers' attn_v and ffn_down Q4_K_M keeps in Q6_K: the first
// and the last eighth, and every third between (llama.cpp, use_more_bits).
func moreBits(i, n int) bool { return i < n/8 || i >= 7*n/8 || (i-n/8)%3 == 2 }

// parts lists the tensors in the mix of types of Q4_K_M.
func (s *Shape) parts() []part {
	q, kv := s.Heads*s.HeadDim, s.HeadsKV*s.HeadDim
	embd := part{"token_embd.weight", quant.Q4_K, []int{s.Embd, s.Vocab}}
	var out []part
	if s.Tied { // an embedding that is the output matrix too is rounded like one
		embd.ty = quant.Q6_K
		out = append(out, embd)
	} else {
		out = append(out, embd, part{"output.weight", quant.Q6_K, []int{s.Embd, s.Vocab}})
	}
	out = append(out, part{"output_norm.weight", quant.F32, []int{s.Embd}})
	for i := range s.Layers {
		b := fmt.Sprintf("blk.%d.", i)
		more := quant.Q4_K
		if moreBits(i, s.Layers) {
			more = quant.Q6_K
		}
		out = append(out,
			part{b + "attn_norm.weight", quant.F32, []int{s.Embd}},
			part{b + "attn_q.weight", quant.Q4_K, []int{s.Embd, q}},
			part{b + "attn_k.weight", quant.Q4_K, []int{s.Embd, kv}},
			part{b + "attn_v.weight", more, []int{s.Embd, kv}},
			part{b + "attn_output.weight", quant.Q4_K, []int{q, s.Embd}},
			part{b + "ffn_norm.weight", quant.F32, []int{s.Embd}},
			part{b + "ffn_gate.weight", quant.Q4_K, []int{s.Embd, s.FF}},
			part{b + "ffn_up.weight", quant.Q4_K, []int{s.Embd, s.FF}},
			part{b + "ffn_down.weight", more, []int{s.FF, s.Embd}})
	}
	return out
}

// Bytes returns the size of all tensors.
func (s *Shape) Bytes() int64 {
	var n int64
	for _, p := range s.parts() {
		n += p.bytes()
	}
	return n
}

// Params returns the number of weights.
func (s *Shape) Params() int64 {
	var n int64
	for _, p := range s.parts() {
		n += int64(p.elems())
	}
	return n
}

func (p *part) elems() int {
	n := 1
	for _, d := range p.dims {
		n *= d
	}
	return n
}

func (p *part) bytes() int64 {
	block, size := p.ty.Block()
	return int64(p.elems() / block * size)
}
