package archtest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

//go:embed golden.json
var golden []byte

// Answer is what a model says of a sequence: LP[i] is the log-probability of token i+1
// after those up to i.
type Answer struct {
	IDs []int32   `json:"ids"`
	LP  []float64 `json:"lp"`
}

// Golden returns the answers to the models, by name and seed as in "qwen35-1".
func Golden() map[string]Answer {
	m := map[string]Answer{}
	if err := json.Unmarshal(golden, &m); err != nil {
		panic("archtest: golden.json: " + err.Error())
	}
	return m
}

// small is a model on its way.
type small struct {
	*ggufwrite.File
	arch string
	r    *rand.Rand
	embd int
}

const vocab = 288 // 256 bytes, three control tokens, and some that stand for nothing

// start begins a model with a vocabulary and an embedding; tied: without output matrix.
func start(arch string, seed uint64, embd int, tied bool, norm string) *small {
	m := &small{File: &ggufwrite.File{}, arch: arch, r: rand.New(rand.NewPCG(seed, uint64(len(arch)))), embd: embd}
	m.Set("general.architecture", arch)
	m.Set("general.name", fmt.Sprintf("random, seed %d", seed))
	tokens, types := []string{"<unk>", "<s>", "</s>"}, []int32{2, 3, 3}
	beyond := 256
	for b := range 256 { // GPT-2's alphabet of bytes
		c := rune(b)
		if b < 33 || b > 126 && b < 161 || b == 173 {
			c = rune(beyond)
			beyond++
		}
		tokens = append(tokens, string(c))
	}
	for i := len(tokens); i < vocab; i++ {
		tokens = append(tokens, fmt.Sprintf("tok%d", i))
	}
	for len(types) < vocab {
		types = append(types, 1)
	}
	for key, v := range map[string]any{
		"model": "gpt2", "pre": "tekken", "tokens": tokens, "token_type": types, "merges": []string{"t h", "h e"},
		"bos_token_id": uint32(1), "eos_token_id": uint32(2), "unknown_token_id": uint32(0), "add_bos_token": true, "add_eos_token": false,
	} {
		m.Set("tokenizer.ggml."+key, v)
	}
	m.kv("embedding_length", uint32(embd))
	m.kv("context_length", uint32(2048))
	m.kv("vocab_size", uint32(vocab))
	m.kv("attention.layer_norm_rms_epsilon", float32(1e-6))
	size := 1.0
	if tied {
		size = 3 / math.Sqrt(float64(embd))
	} else {
		m.matrix("output.weight", vocab, embd, 3)
	}
	m.normal("token_embd.weight", 0, size, embd, vocab)
	m.normal(norm, 1, 0.2, embd)
	return m
}

func (m *small) kv(key string, v any) { m.Set(m.arch+"."+key, v) }

// normal adds a tensor of dims, innermost first, around mean.
func (m *small) normal(name string, mean, spread float64, dims ...int) {
	m.add(name, func() float64 { return mean + float64(spread*m.r.NormFloat64()) }, dims...)
}

// uniform adds a tensor of numbers from lo to hi.
func (m *small) uniform(name string, lo, hi float64, dims ...int) {
	m.add(name, func() float64 { return lo + float64((hi-lo)*m.r.Float64()) }, dims...)
}

func (m *small) add(name string, draw func() float64, dims ...int) {
	n := 1
	for _, d := range dims {
		n *= d
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(draw())
	}
	m.Add(name, quant.F32, dims, x)
}

// matrix adds a weight that keeps rows of size 1 at about gain.
func (m *small) matrix(name string, rows, cols int, gain float64) {
	m.normal(name, 0, gain/math.Sqrt(float64(cols)), cols, rows)
}

// drop takes a tensor out again.
func (m *small) drop(name string) {
	m.Tensors = slices.DeleteFunc(m.Tensors, func(t ggufwrite.Tensor) bool { return t.Name == name })
}

// heads sets the keys of attention.
func (m *small) heads(n, kv, dim, rope int) {
	m.kv("attention.head_count", uint32(n))
	if kv > 0 {
		m.kv("attention.head_count_kv", uint32(kv))
	}
	m.kv("attention.key_length", uint32(dim))
	m.kv("attention.value_length", uint32(dim))
	m.kv("rope.dimension_count", uint32(rope))
	m.kv("rope.freq_base", float32(10000))
}

// attention adds the projections of layer l; wide is the rows of attn_q a head's element.
func (m *small) attention(l, n, kv, dim, wide int, normed bool) {
	b := fmt.Sprintf("blk.%d.", l)
	m.matrix(b+"attn_q.weight", n*dim*wide, m.embd, 1.25)
	m.matrix(b+"attn_k.weight", kv*dim, m.embd, 1.25)
	m.matrix(b+"attn_v.weight", kv*dim, m.embd, 1)
	m.matrix(b+"attn_output.weight", m.embd, n*dim, 2)
	if normed {
		m.normal(b+"attn_q_norm.weight", 1.3, 0.4, dim)
		m.normal(b+"attn_k_norm.weight", 1.3, 0.4, dim)
	}
}

// ffn adds a feed-forward layer.
func (m *small) ffn(l, ff int, gated bool) {
	b := fmt.Sprintf("blk.%d.", l)
	if gated {
		m.matrix(b+"ffn_gate.weight", ff, m.embd, 1)
	}
	m.matrix(b+"ffn_up.weight", ff, m.embd, 1)
	m.matrix(b+"ffn_down.weight", m.embd, ff, 1.5)
}

// experts adds n experts of layer l, of which two are used, from in elements to as many.
func (m *small) experts(l, n, ff, in int, gated bool) {
	b := fmt.Sprintf("blk.%d.", l)
	stack := func(name string, rows, cols int, gain float64) {
		m.normal(b+name+".weight", 0, gain/math.Sqrt(float64(cols)), cols, rows, n)
	}
	m.matrix(b+"ffn_gate_inp.weight", n, m.embd, 2)
	if gated {
		stack("ffn_gate_exps", ff, in, 1)
	}
	stack("ffn_up_exps", ff, in, 1)
	stack("ffn_down_exps", in, ff, 2)
}

// shared adds the expert of layer l that all rows go to.
func (m *small) shared(l, ff int, gated bool) {
	b := fmt.Sprintf("blk.%d.", l)
	if gated {
		m.matrix(b+"ffn_gate_shexp.weight", ff, m.embd, 1)
	}
	m.matrix(b+"ffn_up_shexp.weight", ff, m.embd, 1)
	m.matrix(b+"ffn_down_shexp.weight", m.embd, ff, 1.4)
}

// ssm sets the keys of a state.
func (m *small) ssm(inner, state, heads, groups, taps int) {
	for key, n := range map[string]int{"inner_size": inner, "state_size": state, "time_step_rank": heads, "group_count": groups, "conv_kernel": taps} {
		m.kv("ssm."+key, uint32(n))
	}
}

// mamba2 adds the mixer of layer l.
func (m *small) mamba2(l, inner, state, heads, groups, taps int) {
	b, c := fmt.Sprintf("blk.%d.", l), inner+2*groups*state
	m.matrix(b+"ssm_in.weight", inner+c+heads, m.embd, 1)
	m.normal(b+"ssm_conv1d.weight", 0, 0.6, taps, c)
	m.normal(b+"ssm_conv1d.bias", 0, 0.3, c)
	m.uniform(b+"ssm_dt.bias", -2, 1, heads)
	m.uniform(b+"ssm_a", -3, -0.2, 1, heads)
	m.uniform(b+"ssm_d", 0.5, 1.5, 1, heads)
	m.normal(b+"ssm_norm.weight", 1, 0.2, inner/groups, groups)
	m.matrix(b+"ssm_out.weight", m.embd, inner, 1)
}
