package archtest

import (
	"fmt"

	"eclat/loader/ggufwrite"
)

// Hybrids lists the families with recurrent layers.
var Hybrids = []string{"qwen35", "lfm2", "nemotron_h", "granitehybrid", "granitehybrid-experts", "nemotron_h_moe", "falcon-h1"}

// Hybrid makes a model of a family with recurrent layers; seeds differ in weights and sizes.
func Hybrid(name string, seed uint64) *ggufwrite.File {
	wide := int(seed % 2) // of two widths
	switch name {
	case "qwen35":
		return qwen35(seed, wide)
	case "lfm2":
		return lfm2(seed, wide)
	case "nemotron_h":
		return nemotronH(seed, wide, false)
	case "nemotron_h_moe":
		return nemotronH(seed, wide, true)
	case "granitehybrid":
		return graniteHybrid(seed, wide, false)
	case "granitehybrid-experts":
		return graniteHybrid(seed, wide, true)
	case "falcon-h1":
		return falconH1(seed, wide)
	}
	panic("archtest: no hybrid is called " + name)
}

// qwen35 has two linear layers, a full one, and a layer that drafts and must not run.
func qwen35(seed uint64, wide int) *ggufwrite.File {
	m := start("qwen35", seed, 64+32*wide, false, "output_norm.weight")
	state, nk, nv, ff := 16-3*wide, 2, 4+2*wide, 96
	m.kv("block_count", uint32(4))
	m.kv("nextn_predict_layers", uint32(1))
	m.kv("feed_forward_length", uint32(ff))
	m.heads(4, 2, 32, 16)
	m.kv("rope.dimension_sections", []int32{3, 3, 2, 0})
	m.kv("full_attention_interval", uint32(3))
	m.ssm(nv*state, state, nv, nk, 4)
	for l := range 4 {
		b := fmt.Sprintf("blk.%d.", l)
		m.normal(b+"attn_norm.weight", 1, 0.2, m.embd)
		m.normal(b+"post_attention_norm.weight", 1, 0.2, m.embd)
		if l >= 2 {
			m.attention(l, 4, 2, 32, 2, true)
		} else {
			n := (2*nk + nv) * state
			m.matrix(b+"attn_qkv.weight", n, m.embd, 1)
			m.matrix(b+"attn_gate.weight", nv*state, m.embd, 1)
			m.normal(b+"ssm_conv1d.weight", 0, 0.7, 4, n)
			m.uniform(b+"ssm_dt.bias", -2, 1, nv)
			m.uniform(b+"ssm_a", -2, -0.1, nv)
			m.matrix(b+"ssm_beta.weight", nv, m.embd, 1)
			m.matrix(b+"ssm_alpha.weight", nv, m.embd, 1)
			m.normal(b+"ssm_norm.weight", 1, 0.2, state)
			m.matrix(b+"ssm_out.weight", m.embd, nv*state, 1.5)
		}
		m.ffn(l, ff, true)
	}
	for _, name := range []string{"enorm", "hnorm", "shared_head_norm"} {
		m.normal("blk.3.nextn."+name+".weight", 1, 0.2, m.embd)
	}
	m.matrix("blk.3.nextn.eh_proj.weight", m.embd, 2*m.embd, 1)
	return m.File
}

// lfm2 has convolutions in even layers, attention in odd ones.
func lfm2(seed uint64, wide int) *ggufwrite.File {
	m := start("lfm2", seed, 64+32*wide, true, "token_embd_norm.weight")
	heads := m.embd / 16
	m.kv("block_count", uint32(4))
	m.kv("feed_forward_length", uint32(96))
	m.heads(heads, 0, 16, 16)
	m.kv("attention.head_count_kv", []int32{0, 2, 0, 2})
	m.kv("shortconv.l_cache", uint32(3))
	for l := range 4 {
		b := fmt.Sprintf("blk.%d.", l)
		m.normal(b+"attn_norm.weight", 1, 0.2, m.embd)
		m.normal(b+"ffn_norm.weight", 1, 0.2, m.embd)
		if l%2 == 1 {
			m.attention(l, heads, 2, 16, 1, true)
		} else {
			m.matrix(b+"shortconv.in_proj.weight", 3*m.embd, m.embd, 1)
			m.normal(b+"shortconv.conv.weight", 0, 0.7, 3, m.embd)
			m.matrix(b+"shortconv.out_proj.weight", m.embd, m.embd, 2)
		}
		m.ffn(l, 96, true)
	}
	return m.File
}

// nemotronH has layers of each of its three kinds; experts: feed-forward layers are of
// experts, which read and write fewer elements than the layers have.
func nemotronH(seed uint64, wide int, experts bool) *ggufwrite.File {
	arch := "nemotron_h"
	if experts {
		arch += "_moe"
	}
	m := start(arch, seed, 64+32*wide, false, "output_norm.weight")
	inner, heads := 96+32*wide, 4
	kv, ff := []int32{0, 0, 2, 0, 0}, []int32{0, 96, 0, 0, 80}
	m.kv("block_count", uint32(5))
	m.kv("feed_forward_length", ff)
	m.heads(4, 0, 24, 24)
	m.kv("attention.head_count_kv", kv)
	m.kv("attention.layer_norm_epsilon", float32(1e-6))
	m.ssm(inner, 16, heads, 2, 4)
	const latent = 32
	if experts {
		for key, n := range map[string]uint32{"expert_count": 6, "expert_used_count": 2, "expert_feed_forward_length": 40,
			"expert_shared_feed_forward_length": 56, "expert_shared_count": 1, "moe_latent_size": latent} {
			m.kv(key, n)
		}
		m.kv("expert_weights_norm", true)
		m.kv("expert_weights_scale", float32(2.5))
	}
	for l := range 5 {
		m.normal(fmt.Sprintf("blk.%d.attn_norm.weight", l), 1, 0.2, m.embd)
		switch {
		case kv[l] > 0:
			m.attention(l, 4, 2, 24, 1, false)
		case ff[l] > 0 && experts:
			b := fmt.Sprintf("blk.%d.", l)
			m.experts(l, 6, 40, latent, false)
			m.normal(b+"exp_probs_b.bias", 0, 0.5, 6)
			m.matrix(b+"ffn_latent_down.weight", latent, m.embd, 1)
			m.matrix(b+"ffn_latent_up.weight", m.embd, latent, 1)
			m.shared(l, 56, false)
		case ff[l] > 0:
			m.ffn(l, int(ff[l]), false)
		default:
			m.mamba2(l, inner, 16, heads, 2, 4)
		}
	}
	return m.File
}

// graniteHybrid has one layer of attention between two of Mamba-2, with rope in every
// second seed; experts: in the place of dense feed-forward layers.
func graniteHybrid(seed uint64, wide int, experts bool) *ggufwrite.File {
	m := start("granitehybrid", seed, 64+32*wide, false, "output_norm.weight")
	inner := 2 * m.embd
	m.kv("block_count", uint32(3))
	m.kv("feed_forward_length", uint32(96))
	m.heads(4, 0, 24, 24)
	m.kv("attention.head_count_kv", []int32{0, 2, 0})
	m.kv("rope.scaling.finetuned", wide == 0)
	m.kv("embedding_scale", float32(1.5))
	m.kv("residual_scale", float32(0.6))
	m.kv("logit_scale", float32(1.25))
	m.kv("attention.scale", float32(0.31))
	m.ssm(inner, 16, 4, 2, 4)
	if experts {
		for key, n := range map[string]uint32{"expert_count": 6, "expert_used_count": 2, "expert_shared_feed_forward_length": 56} {
			m.kv(key, n)
		}
	}
	for l := range 3 {
		b := fmt.Sprintf("blk.%d.", l)
		m.normal(b+"attn_norm.weight", 1, 0.2, m.embd)
		m.normal(b+"ffn_norm.weight", 1, 0.2, m.embd)
		if l == 1 {
			m.attention(l, 4, 2, 24, 1, false)
		} else {
			m.mamba2(l, inner, 16, 4, 2, 4)
		}
		if experts {
			m.experts(l, 6, 96, m.embd, true)
			m.shared(l, 56, true)
			continue
		}
		m.ffn(l, 96, true)
	}
	return m.File
}

// falconH1 has both mixers in each of its layers, with a norm behind the state's in every
// second seed.
func falconH1(seed uint64, wide int) *ggufwrite.File {
	m := start("falcon-h1", seed, 64+32*wide, false, "output_norm.weight")
	m.kv("block_count", uint32(2))
	m.kv("feed_forward_length", uint32(96))
	m.heads(4, 2, 24, 24)
	m.ssm(96, 16, 4, 2, 4)
	for l := range 2 {
		b := fmt.Sprintf("blk.%d.", l)
		m.normal(b+"attn_norm.weight", 1, 0.2, m.embd)
		m.normal(b+"ffn_norm", 1, 0.2, m.embd)
		m.attention(l, 4, 2, 24, 1, false)
		m.mamba2(l, 96, 16, 4, 2, 4)
		if wide == 0 {
			m.drop(b + "ssm_norm.weight")
		}
		m.ffn(l, 96, true)
	}
	return m.File
}
