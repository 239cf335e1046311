package quantize

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"eclat/loader"
	"eclat/loader/quant"
	"eclat/loader/spelling"
)

// mix is what a name of the command line stands for.
type mix struct {
	name     string
	fileType uint32 // general.file_type
	base     quant.Type
}

// mixes are what a model can be written as. (llama.h, enum llama_ftype.)
var mixes = []mix{
	{"F32", 0, quant.F32}, {"F16", 1, quant.F16}, {"BF16", 32, quant.BF16},
	{"Q4_0", 2, quant.Q4_0}, {"Q4_1", 3, quant.Q4_1}, {"Q8_0", 7, quant.Q8_0}, {"Q5_0", 8, quant.Q5_0}, {"Q5_1", 9, quant.Q5_1},
	{"Q4_K_S", 14, quant.Q4_K}, {"Q4_K_M", 15, quant.Q4_K}, {"Q5_K_S", 16, quant.Q5_K}, {"Q5_K_M", 17, quant.Q5_K}, {"Q6_K", 18, quant.Q6_K},
	{"Q2_K", 10, quant.Q2_K}, {"Q3_K_S", 11, quant.Q3_K}, {"Q3_K_M", 12, quant.Q3_K}, {"Q3_K_L", 13, quant.Q3_K},
	{"IQ4_NL", 25, quant.IQ4_NL}, {"IQ4_XS", 30, quant.IQ4_XS}, {"MXFP4_MOE", 38, quant.MXFP4},
}

// Names lists the types and mixes that a model can be written as.
func Names() (names []string) {
	for _, m := range mixes {
		names = append(names, m.name)
	}
	return names
}

// findMix finds a mix by its name in any case; Q3_K, Q4_K and Q5_K alone stand for
// their _M.
func findMix(name string) (mix, error) {
	if slices.Contains([]string{"Q3_K", "Q4_K", "Q5_K"}, strings.ToUpper(name)) {
		name += "_M"
	}
	for _, m := range mixes {
		if strings.EqualFold(m.name, name) {
			return m, nil
		}
	}
	near := ""
	if len(name) <= 16 {
		few := len(name)/2 + 1
		for _, m := range mixes {
			if d := spelling.Distance(strings.ToUpper(name), m.name); d < few {
				few, near = d, "; the nearest is "+m.name
			}
		}
	}
	return mix{}, fmt.Errorf("%w: %.40q is none of %s%s", ErrType, name, strings.Join(Names(), ", "), near)
}

// model is what the rules of a mix ask about a model.
type model struct {
	arch     string
	layers   int
	experts  int
	groups   int // heads of queries for one of keys
	tied     bool
	weighted bool           // there is an importance matrix
	values   map[string]int // of tensors like attn_v: which of them, by layer, each is
	downs    map[string]int // of the FFN's last matrices
}

func modelOf(f *loader.File) *model {
	m := &model{arch: f.Architecture(), tied: f.Tensor("output.weight") == nil}
	number := func(key string) int { // of values by layer the largest
		v, ok := f.Get(m.arch + "." + key)
		if !ok {
			return 0
		}
		u, ok := v.Uint()
		if list, many := v.Uints(); !ok && many && len(list) > 0 {
			u = slices.Max(list)
		}
		return int(min(u, 1<<20))
	}
	m.layers, m.experts, m.groups = number("block_count"), number("expert_count"), 1
	if heads, kv := number("attention.head_count"), number("attention.head_count_kv"); kv > 0 {
		m.groups = heads / kv
	}
	m.values = ordinals(f, isValue)
	m.downs = ordinals(f, func(name string) bool { return strings.Contains(name, "ffn_down") })
	return m
}

// ordinals numbers the tensors with a kind of name, by layer.
func ordinals(f *loader.File, is func(name string) bool) map[string]int {
	var names []string
	for _, t := range f.Tensors {
		if is(t.Name) {
			names = append(names, t.Name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(layer(a)-layer(b), strings.Compare(a, b)) })
	out := map[string]int{}
	for i, name := range names {
		out[name] = i
	}
	return out
}

// layer is the number in blk.N.…, 0 without one.
func layer(name string) int {
	rest, _ := strings.CutPrefix(name, "blk.")
	digits, _, _ := strings.Cut(rest, ".")
	n, err := strconv.ParseUint(digits, 10, 20)
	if err != nil {
		return 0
	}
	return int(n)
}

func isValue(name string) bool {
	return strings.Contains(name, "attn_v.weight") || strings.Contains(name, "attn_qkv.weight") || strings.Contains(name, "attn_kv_b.weight")
}

// moreBits is where a mix spends more: the first and last eighth of n layers, and
// every third between.
func moreBits(i, n int) bool { return i < n/8 || i >= 7*n/8 || (i-n/8)%3 == 2 }

// choose is the type that the mix gives a tensor that may change.
func (m *model) choose(x mix, t *loader.Tensor) quant.Type {
	name, base := t.Name, x.base
	block, _ := base.Block()
	switch {
	case block == 1:
		return base
	case base == quant.MXFP4: // for experts alone
		if len(t.Dims) > 2 && t.Dims[2] > 1 {
			return base
		}
		return quant.Q8_0
	case name == "output.weight" || m.tied && isEmbedding(name):
		if m.arch == "falcon" || t.Dims[0]%block != 0 || base == quant.Q8_0 {
			return quant.Q8_0
		}
		return quant.Q6_K
	case isEmbedding(name):
	case isValue(name):
		return m.value(x, m.values[name])
	case strings.Contains(name, "attn_k.weight"):
		if m.experts == 8 {
			return quant.Q8_0
		}
	case strings.Contains(name, "attn_output.weight"):
		return m.output(x)
	case strings.Contains(name, "ffn_down"):
		i := m.downs[name]
		if m.experts > 1 {
			i = layer(name)
		}
		return m.down(x, i)
	}
	return base
}

// output is the type of the matrix after attention.
func (m *model) output(x mix) quant.Type {
	switch {
	case m.arch == "falcon":
		if x.name == "Q3_K_L" {
			return quant.Q4_K
		}
	case m.experts == 8:
		if slices.Contains([]string{"Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M", "IQ4_NL", "IQ4_XS"}, x.name) {
			return quant.Q5_K
		}
	case x.name == "Q2_K":
		return quant.Q3_K
	case x.name == "Q3_K_M":
		return quant.Q4_K
	case x.name == "Q3_K_L":
		return quant.Q5_K
	}
	return x.base
}

// value is the type of the i-th matrix that makes values.
func (m *model) value(x mix, i int) quant.Type {
	t := x.base
	switch more := moreBits(i, len(m.values)); x.name {
	case "Q2_K":
		if t = quant.Q3_K; m.groups >= 4 {
			t = quant.Q4_K
		}
	case "Q3_K_M":
		if t = quant.Q4_K; i < 2 {
			t = quant.Q5_K
		}
	case "Q3_K_L":
		t = quant.Q5_K
	case "Q4_K_S":
		if i < 4 {
			t = quant.Q5_K
		}
	case "Q4_K_M", "Q5_K_M":
		if more {
			t = quant.Q6_K
		}
	case "IQ4_NL", "IQ4_XS":
		if m.groups >= 4 {
			t = quant.Q5_K
		}
	}
	large := m.layers == 80 && m.groups > 1 && (m.arch == "llama" || m.arch == "qwen2") // the 70B models
	if large && (t == quant.Q3_K || t == quant.Q4_K) {
		t = quant.Q5_K
	}
	if m.experts == 8 {
		t = quant.Q8_0
	}
	return t
}

// down is the type of the last matrix of the i-th FFN.
func (m *model) down(x mix, i int) quant.Type {
	falcon, more, early := m.arch == "falcon", moreBits(i, m.layers), i < m.layers/8
	switch {
	case x.name == "Q2_K":
		return quant.Q3_K
	case x.name == "Q3_K_M" && i < m.layers/16, x.name == "Q3_K_L" && !falcon:
		return quant.Q5_K
	case x.name == "Q3_K_M" && (!falcon || more), x.name == "Q3_K_L":
		return quant.Q4_K
	case x.name == "Q4_K_M" && falcon && i < m.layers/16, x.name == "Q4_K_M" && !falcon && more, x.name == "Q5_K_M" && more:
		return quant.Q6_K
	case x.name == "Q4_K_M" && more, x.name == "Q4_K_S" && !falcon && early,
		strings.HasPrefix(x.name, "IQ4_") && early && !m.weighted:
		return quant.Q5_K
	case x.name == "Q4_0" && early && m.weighted:
		return quant.Q4_1
	case x.name == "Q5_0" && early && m.weighted:
		return quant.Q5_1
	}
	return x.base
}

func isEmbedding(name string) bool {
	return name == "token_embd.weight" || name == "per_layer_token_embd.weight"
}

// kept are parts of the names of tensors that stay as they are: small ones, where a
// step less costs more than it saves.
var kept = []string{"_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel", "per_layer_model_proj",
	"ssm_conv1d", "shortconv.conv.weight", "indexer.k_proj.weight", "indexer.q_proj.weight", "time_mix_", "attn_rel_b.weight",
	"position_embd", "token_types", ".rel_pos", ".patch_embd", ".patch_merger"}

// mayChange reports whether a tensor is written as another type: a matrix, or one an
// expert, of weights.
func mayChange(t *loader.Tensor) bool {
	if !strings.HasSuffix(t.Name, "weight") || t.Elems() == t.Dims[0] {
		return false
	}
	return !slices.ContainsFunc(kept, func(part string) bool { return strings.Contains(t.Name, part) })
}

// smaller is the type that stands in where a type's blocks do not divide a row.
var smaller = map[quant.Type]quant.Type{quant.Q4_K: quant.Q5_0, quant.Q5_K: quant.Q5_1, quant.Q6_K: quant.Q8_0,
	quant.Q2_K: quant.Q4_0, quant.Q3_K: quant.Q4_0, quant.IQ4_XS: quant.IQ4_NL}

// fitting is the type itself where its blocks divide a row of n elements; else the one
// that stands in for it, or F16.
func fitting(t quant.Type, n int) quant.Type {
	types := []quant.Type{t}
	if s, ok := smaller[t]; ok {
		types = append(types, s)
	}
	for _, t := range types {
		if block, _ := t.Block(); n%block == 0 {
			return t
		}
	}
	return quant.F16
}
