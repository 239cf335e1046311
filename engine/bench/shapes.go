package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/loader/spelling"
)

// Shape is a well-known model without its weights. Sizes are in elements.
type Shape struct {
	Name     string
	Arch     string // general.architecture
	Layers   int
	Embd     int // n_embd
	FF       int // n_ff, of dense layers
	Heads    int
	HeadsKV  int
	HeadDim  int
	Vocab    int
	Context  int     // positions trained for
	RopeBase float32 // θ
	Tied     bool    // the embedding is the output matrix

	experts experts
	block   func(w *parts, s *Shape, l int) // the tensors of layer l; nil for llama's block
	keys    func(s *Shape) keys             // further metadata, without the architecture's prefix; may be nil
	outside func(w *parts, s *Shape)        // tensors outside the layers beside the usual; may be nil
}

// experts are those of a layer.
type experts struct {
	n, used, ff int
	shared      int // width of the expert that all rows go to, 0 for none
}

// keys is metadata in order.
type keys []ggufwrite.KV

// ParseShape reads NAME or NAME:LAYERS.
func ParseShape(s string) (Shape, error) {
	name, layers, cut := strings.Cut(s, ":")
	i := slices.IndexFunc(Shapes, func(x Shape) bool { return x.Name == name })
	if i < 0 {
		return Shape{}, fmt.Errorf("no shape %.12q; the nearest is %s, of %d", name, nearest(name), len(Shapes))
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

// nearest is the shape whose name is the fewest letters from name.
func nearest(name string) (best string) {
	const longest = 64
	name = strings.ToLower(name[:min(len(name), longest)])
	few := 2 * longest
	for i := range Shapes {
		if d := spelling.Distance(name, Shapes[i].Name); d < few {
			few, best = d, Shapes[i].Name
		}
	}
	return best
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

// parts collects the tensors of a shape in the mix of types of Q4_K_M.
type parts struct {
	list   []part
	prefix string // of the layer at hand
	more   bool   // its attn_v and ffn_down get more bits
}

// vectors adds tensors of one row, of float32.
func (w *parts) vectors(n int, names ...string) {
	for _, name := range names {
		w.floats(name, n)
	}
}

// floats adds a tensor of float32.
func (w *parts) floats(name string, dims ...int) {
	w.list = append(w.list, part{w.prefix + name, quant.F32, dims})
}

// matrix adds NAME.weight of Q4_K, or of Q6_K where the mix spends more; blocks of 256
// that do not divide a row give way to Q5_0 and Q8_0, as in llama.cpp.
func (w *parts) matrix(name string, dims ...int) {
	ty := quant.Q4_K
	if w.more && (name == "attn_v" || strings.HasPrefix(name, "ffn_down")) {
		ty = quant.Q6_K
	}
	w.add(name+".weight", ty, dims...)
}

func (w *parts) add(name string, ty quant.Type, dims ...int) {
	if block, _ := ty.Block(); dims[0]%block != 0 {
		ty = map[quant.Type]quant.Type{quant.Q4_K: quant.Q5_0, quant.Q6_K: quant.Q8_0}[ty]
	}
	if block, _ := ty.Block(); dims[0]%block != 0 {
		ty = quant.F16
	}
	w.list = append(w.list, part{w.prefix + name, ty, dims})
}

// attention adds the four projections.
func (w *parts) attention(s *Shape) {
	w.matrix("attn_q", s.Embd, s.Heads*s.HeadDim)
	w.matrix("attn_k", s.Embd, s.HeadsKV*s.HeadDim)
	w.matrix("attn_v", s.Embd, s.HeadsKV*s.HeadDim)
	w.matrix("attn_output", s.Heads*s.HeadDim, s.Embd)
}

// ffn adds a gated layer of a width, with names that end in suffix.
func (w *parts) ffn(suffix string, embd, ff int) {
	w.matrix("ffn_gate"+suffix, embd, ff)
	w.matrix("ffn_up"+suffix, embd, ff)
	w.matrix("ffn_down"+suffix, ff, embd)
}

// mixture adds the router and the experts, and the shared one without its gate.
func (w *parts) mixture(s *Shape) {
	x := &s.experts
	w.floats("ffn_gate_inp.weight", s.Embd, x.n)
	w.matrix("ffn_gate_exps", s.Embd, x.ff, x.n)
	w.matrix("ffn_up_exps", s.Embd, x.ff, x.n)
	w.matrix("ffn_down_exps", x.ff, s.Embd, x.n)
	if x.shared > 0 {
		w.ffn("_shexp", s.Embd, x.shared)
	}
}

// parts lists the tensors of the shape.
func (s *Shape) parts() []part {
	w := &parts{}
	if s.Tied { // an embedding that is the output matrix too is rounded like one
		w.add("token_embd.weight", quant.Q6_K, s.Embd, s.Vocab)
	} else {
		w.add("token_embd.weight", quant.Q4_K, s.Embd, s.Vocab)
		w.add("output.weight", quant.Q6_K, s.Embd, s.Vocab)
	}
	w.vectors(s.Embd, "output_norm.weight")
	if s.outside != nil {
		s.outside(w, s)
	}
	block := s.block
	if block == nil {
		block = llamaBlock
	}
	for i := range s.Layers {
		w.prefix, w.more = fmt.Sprintf("blk.%d.", i), moreBits(i, s.Layers)
		block(w, s, i)
	}
	return w.list
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
