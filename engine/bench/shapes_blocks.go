package bench

import (
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// The tensors of a layer of each family, with the names and shapes of its files.

func llamaBlock(w *parts, s *Shape, _ int) {
	w.vectors(s.Embd, "attn_norm.weight", "ffn_norm.weight")
	w.attention(s)
	w.ffn("", s.Embd, s.FF)
}

func mixtralBlock(w *parts, s *Shape, _ int) {
	w.vectors(s.Embd, "attn_norm.weight", "ffn_norm.weight")
	w.attention(s)
	w.mixture(s)
}

func qwen2Block(w *parts, s *Shape, l int) {
	llamaBlock(w, s, l)
	w.vectors(s.Heads*s.HeadDim, "attn_q.bias")
	w.vectors(s.HeadsKV*s.HeadDim, "attn_k.bias", "attn_v.bias")
}

func qwen3Block(w *parts, s *Shape, l int) {
	if s.experts.n > 0 {
		mixtralBlock(w, s, l)
	} else {
		llamaBlock(w, s, l)
	}
	w.vectors(s.HeadDim, "attn_q_norm.weight", "attn_k_norm.weight")
}

const (
	linearDim   = 128 // of keys and of values in Qwen's linear attention
	linearTaps  = 4
	fullEvery   = 4 // every such layer has full attention
	ropePartial = 4 // and turns one in so many elements of a head
)

// hybridBlock is a layer of Qwen3-Next, Qwen3.5 and 3.6 with nk key heads and nv heads of
// values in its linear attention.
func hybridBlock(nk, nv int) func(w *parts, s *Shape, l int) {
	return func(w *parts, s *Shape, l int) {
		inner, channels := nv*linearDim, (2*nk+nv)*linearDim
		w.vectors(s.Embd, "attn_norm.weight", "post_attention_norm.weight")
		if (l+1)%fullEvery == 0 {
			w.matrix("attn_q", s.Embd, 2*s.Heads*s.HeadDim)
			w.matrix("attn_k", s.Embd, s.HeadsKV*s.HeadDim)
			w.matrix("attn_v", s.Embd, s.HeadsKV*s.HeadDim)
			w.matrix("attn_output", s.Heads*s.HeadDim, s.Embd)
			w.vectors(s.HeadDim, "attn_q_norm.weight", "attn_k_norm.weight")
		} else {
			w.matrix("attn_qkv", s.Embd, channels)
			w.matrix("attn_gate", s.Embd, inner)
			w.floats("ssm_conv1d.weight", linearTaps, channels)
			if s.Arch == "qwen3next" {
				w.matrix("ssm_ba", s.Embd, 2*nv)
			} else {
				w.matrix("ssm_beta", s.Embd, nv)
				w.matrix("ssm_alpha", s.Embd, nv)
			}
			w.vectors(nv, "ssm_dt.bias", "ssm_a")
			w.vectors(linearDim, "ssm_norm.weight")
			w.matrix("ssm_out", inner, s.Embd)
		}
		if s.experts.n == 0 {
			w.ffn("", s.Embd, s.FF)
			return
		}
		w.mixture(s)
		w.vectors(s.Embd, "ffn_gate_inp_shexp.weight")
	}
}

func hybridKeys(nk, nv int) func(s *Shape) keys {
	return func(s *Shape) keys {
		k := keys{
			{Key: "rope.dimension_count", Value: uint32(s.HeadDim / ropePartial)},
			{Key: "full_attention_interval", Value: uint32(fullEvery)},
			{Key: "ssm.conv_kernel", Value: uint32(linearTaps)},
			{Key: "ssm.state_size", Value: uint32(linearDim)},
			{Key: "ssm.group_count", Value: uint32(nk)},
			{Key: "ssm.time_step_rank", Value: uint32(nv)},
			{Key: "ssm.inner_size", Value: uint32(nv * linearDim)},
		}
		if s.experts.n > 0 {
			k = append(k, expertKeys(s)...)
		}
		return k
	}
}

func gemma3Block(w *parts, s *Shape, l int) {
	qwen3Block(w, s, l)
	w.vectors(s.Embd, "post_attention_norm.weight", "post_ffw_norm.weight")
}

func gemma3Keys(*Shape) keys {
	return keys{
		{Key: "attention.sliding_window", Value: uint32(1024)},
		{Key: "rope.scaling.type", Value: "linear"},
		{Key: "rope.scaling.factor", Value: float32(8)},
	}
}

// gemma4 is what the models of its family differ in.
type gemma4 struct {
	perLayer int  // elements of what every layer is given of the token; 0 for none
	shared   int  // of the whole model, the last layers, which read the keys of others
	window   int  // positions
	fullKV   int  // key heads of layers with full attention
	keysOnly bool // those have no attn_v: values are the keys
}

const (
	gemma4Full = 512 // head size of layers with full attention
	windowsOf  = 6   // every such layer has full attention
)

// own is how many of the first layers have keys of their own.
func (g gemma4) own(s *Shape) int {
	if g.shared == 0 {
		return s.Layers
	}
	whole := 42
	own := (s.Layers*(whole-g.shared)/whole + windowsOf - 1) / windowsOf * windowsOf
	return min(max(own, windowsOf), s.Layers)
}

func (g gemma4) block(w *parts, s *Shape, l int) {
	full := (l+1)%windowsOf == 0
	dim, kv := s.HeadDim, s.HeadsKV
	if full {
		dim, kv = gemma4Full, g.fullKV
	}
	w.vectors(s.Embd, "attn_norm.weight", "post_attention_norm.weight", "ffn_norm.weight", "post_ffw_norm.weight")
	w.vectors(dim, "attn_q_norm.weight")
	w.matrix("attn_q", s.Embd, s.Heads*dim)
	w.matrix("attn_output", s.Heads*dim, s.Embd)
	if l < g.own(s) {
		w.vectors(dim, "attn_k_norm.weight")
		w.matrix("attn_k", s.Embd, kv*dim)
		if !full || !g.keysOnly {
			w.matrix("attn_v", s.Embd, kv*dim)
		}
	}
	w.ffn("", s.Embd, s.FF)
	w.vectors(1, "layer_output_scale.weight")
	if n := g.perLayer; n > 0 {
		w.matrix("inp_gate", s.Embd, n)
		w.matrix("proj", n, s.Embd)
		w.vectors(s.Embd, "post_norm.weight")
	}
	if x := &s.experts; x.n > 0 {
		w.vectors(s.Embd, "post_ffw_norm_1.weight", "pre_ffw_norm_2.weight", "post_ffw_norm_2.weight", "ffn_gate_inp.scale")
		w.floats("ffn_gate_inp.weight", s.Embd, x.n)
		w.matrix("ffn_gate_up_exps", s.Embd, 2*x.ff, x.n)
		w.matrix("ffn_down_exps", x.ff, s.Embd, x.n)
		w.vectors(x.n, "ffn_down_exps.scale")
	}
}

func (g gemma4) outside(w *parts, s *Shape) {
	w.floats("rope_freqs.weight", gemma4Full/2)
	if n := g.perLayer; n > 0 {
		w.add("per_layer_token_embd.weight", quant.Q6_K, s.Layers*n, s.Vocab)
		w.matrix("per_layer_model_proj", s.Embd, s.Layers*n)
		w.vectors(n, "per_layer_proj_norm.weight")
	}
}

func (g gemma4) keys(s *Shape) keys {
	windowed, kv := make([]bool, s.Layers), make([]uint32, s.Layers)
	for l := range windowed {
		windowed[l], kv[l] = (l+1)%windowsOf != 0, uint32(s.HeadsKV)
		if !windowed[l] {
			kv[l] = uint32(g.fullKV)
		}
	}
	k := keys{
		{Key: "attention.head_count_kv", Value: kv},
		{Key: "attention.key_length", Value: uint32(gemma4Full)},
		{Key: "attention.value_length", Value: uint32(gemma4Full)},
		{Key: "attention.key_length_swa", Value: uint32(s.HeadDim)},
		{Key: "attention.value_length_swa", Value: uint32(s.HeadDim)},
		{Key: "rope.dimension_count", Value: uint32(gemma4Full)},
		{Key: "rope.dimension_count_swa", Value: uint32(s.HeadDim)},
		{Key: "rope.freq_base_swa", Value: float32(1e4)},
		{Key: "attention.sliding_window", Value: uint32(g.window)},
		{Key: "attention.sliding_window_pattern", Value: windowed},
		{Key: "attention.shared_kv_layers", Value: uint32(s.Layers - g.own(s))},
		{Key: "embedding_length_per_layer_input", Value: uint32(g.perLayer)},
		{Key: "final_logit_softcapping", Value: float32(30)},
	}
	if s.experts.n > 0 {
		k = append(k, expertKeys(s)...)
	}
	return k
}

// gptOSSBlock has experts of MXFP4 and all else of Q8_0, as its files do: blocks of 256
// divide none of its rows.
func gptOSSBlock(w *parts, s *Shape, _ int) {
	x, q, kv := &s.experts, s.Heads*s.HeadDim, s.HeadsKV*s.HeadDim
	w.vectors(s.Embd, "attn_norm.weight", "post_attention_norm.weight", "attn_output.bias")
	w.vectors(q, "attn_q.bias")
	w.vectors(kv, "attn_k.bias", "attn_v.bias")
	w.vectors(s.Heads, "attn_sinks.weight")
	w.add("attn_q.weight", quant.Q8_0, s.Embd, q)
	w.add("attn_k.weight", quant.Q8_0, s.Embd, kv)
	w.add("attn_v.weight", quant.Q8_0, s.Embd, kv)
	w.add("attn_output.weight", quant.Q8_0, q, s.Embd)
	w.floats("ffn_gate_inp.weight", s.Embd, x.n)
	w.vectors(x.n, "ffn_gate_inp.bias")
	w.add("ffn_gate_exps.weight", quant.MXFP4, s.Embd, x.ff, x.n)
	w.add("ffn_up_exps.weight", quant.MXFP4, s.Embd, x.ff, x.n)
	w.add("ffn_down_exps.weight", quant.MXFP4, x.ff, s.Embd, x.n)
	w.floats("ffn_gate_exps.bias", x.ff, x.n)
	w.floats("ffn_up_exps.bias", x.ff, x.n)
	w.floats("ffn_down_exps.bias", s.Embd, x.n)
}

func gptOSSKeys(s *Shape) keys {
	return append(expertKeys(s), keys{
		{Key: "attention.sliding_window", Value: uint32(128)},
		{Key: "rope.scaling.type", Value: "yarn"},
		{Key: "rope.scaling.factor", Value: float32(32)},
		{Key: "rope.scaling.original_context_length", Value: uint32(4096)},
	}...)
}

// phi3Block has its projections in one matrix, and gate and up in another.
func phi3Block(w *parts, s *Shape, _ int) {
	w.vectors(s.Embd, "attn_norm.weight", "ffn_norm.weight")
	w.matrix("attn_qkv", s.Embd, (s.Heads+2*s.HeadsKV)*s.HeadDim)
	w.matrix("attn_output", s.Heads*s.HeadDim, s.Embd)
	w.matrix("ffn_up", s.Embd, 2*s.FF)
	w.matrix("ffn_down", s.FF, s.Embd)
}

// glm4moeBlock: the first layer is dense.
func glm4moeBlock(w *parts, s *Shape, l int) {
	w.vectors(s.Embd, "attn_norm.weight", "post_attention_norm.weight")
	w.attention(s)
	w.vectors(s.Heads*s.HeadDim, "attn_q.bias")
	w.vectors(s.HeadsKV*s.HeadDim, "attn_k.bias", "attn_v.bias")
	if l == 0 {
		w.ffn("", s.Embd, s.FF)
		return
	}
	w.mixture(s)
	w.vectors(s.experts.n, "exp_probs_b.bias")
}

func glm4moeKeys(s *Shape) keys {
	return append(expertKeys(s), keys{
		{Key: "rope.dimension_count", Value: uint32(s.HeadDim / 2)},
		{Key: "expert_shared_count", Value: uint32(1)},
		{Key: "leading_dense_block_count", Value: uint32(1)},
		{Key: "expert_gating_func", Value: uint32(2)},
		{Key: "expert_weights_norm", Value: true},
		{Key: "expert_weights_scale", Value: float32(1)},
	}...)
}

// DeepSeek's latent attention: sizes of the lite model.
const (
	latent    = 512 // of keys and values together
	latentRot = 64  // turned
	latentOwn = 128 // of a head's keys, not turned, and of its values
)

func deepseekBlock(w *parts, s *Shape, l int) {
	w.vectors(s.Embd, "attn_norm.weight", "ffn_norm.weight")
	w.vectors(latent, "attn_kv_a_norm.weight")
	w.matrix("attn_q", s.Embd, s.Heads*(latentOwn+latentRot))
	w.matrix("attn_kv_a_mqa", s.Embd, latent+latentRot)
	w.matrix("attn_k_b", latentOwn, latent, s.Heads)
	w.matrix("attn_v_b", latent, latentOwn, s.Heads)
	w.matrix("attn_output", s.Heads*latentOwn, s.Embd)
	if l == 0 {
		w.ffn("", s.Embd, s.FF)
		return
	}
	w.mixture(s)
}

func deepseekKeys(s *Shape) keys {
	return append(expertKeys(s), keys{
		{Key: "attention.value_length", Value: uint32(latent)},
		{Key: "attention.kv_lora_rank", Value: uint32(latent)},
		{Key: "attention.key_length_mla", Value: uint32(latentOwn + latentRot)},
		{Key: "attention.value_length_mla", Value: uint32(latentOwn)},
		{Key: "rope.dimension_count", Value: uint32(latentRot)},
		{Key: "expert_shared_count", Value: uint32(2)},
		{Key: "leading_dense_block_count", Value: uint32(1)},
		{Key: "expert_gating_func", Value: uint32(1)},
		{Key: "expert_weights_scale", Value: float32(1)},
	}...)
}

// set puts metadata under the architecture's prefix.
func (k keys) set(f *ggufwrite.File, arch string) {
	for _, kv := range k {
		f.Set(arch+"."+kv.Key, kv.Value)
	}
}
