package arch

import (
	"math"

	"eclat/model"
)

// qwen35 is the hybrid of Qwen 3.5 and later: three layers of linear attention, then one
// of full attention with a gate. Both mix, and are followed by a gated feed-forward layer:
//
//	x ─┬─ attn_norm ── mix ── + ─┬─ post_attention_norm ── ffn ── + ── x
//	   └──────────────────────┘  └────────────────────────────────┘
//
// Full, every head's query and gate side by side in attn_q; rope turns halves:
//
//	─┬─ attn_q ─┬─ query ── attn_q_norm ── rope ──┬─ attention ── · ── attn_output
//	 │          └─ gate ── sigmoid ───────────────┼───────────────┘
//	 ├─ attn_k ── attn_k_norm ── rope ────────────┤   (kept K, V)
//	 └─ attn_v ───────────────────────────────────┘
//
// Linear, the gated delta rule (Yang et al. 2024), key heads shared in turn:
//
//	─┬─ attn_qkv ── ssm_conv1d, silu ── q, k to length 1 ─┬─ delta rule ── ssm_norm ── · ── ssm_out
//	 ├─ ssm_alpha ── + ssm_dt.bias, softplus ─────────────┤   (kept state)            │
//	 ├─ ssm_beta ── sigmoid ──────────────────────────────┘                           │
//	 └─ attn_gate ── silu ────────────────────────────────────────────────────────────┘
var qwen35 = architecture{
	name:  "qwen35",
	read:  func(r *reader) model.Config { return r.qwenHybrid(false) },
	build: qwenHybrid(true),
}

// qwen35moe is qwen35 with experts, softmax over all, whose weights add up to 1, and a
// shared one with a gate.
var qwen35moe = architecture{
	name:  "qwen35moe",
	read:  func(r *reader) model.Config { return r.qwenHybrid(true) },
	build: qwenHybrid(true),
}

// qwen3next is qwen35moe with key heads that neighbours share, and betas and steps of the
// heads of each side by side in ssm_ba.
var qwen3next = architecture{
	name:  "qwen3next",
	read:  func(r *reader) model.Config { return r.qwenHybrid(true) },
	build: qwenHybrid(false),
}

// qwenHybrid reads the configuration of the three.
func (r *reader) qwenHybrid(experts bool) model.Config {
	c := r.halves()
	r.drafts(&c)
	r.textSections(c.Rope.Dims/2, true)
	if experts {
		c.Experts = r.experts(r.expertWidth(c.NFF), model.Routing{Norm: true})
		c.Experts.NFFShared, c.Experts.Gated = r.size("expert_shared_feed_forward_length", maxWidth), true
	}
	r.interleave(&c)
	return c
}

// qwenHybrid writes a stage of the three; cyclic: key heads are shared in turn.
func qwenHybrid(cyclic bool) model.BuildFunc {
	return stacked(func(k block, c *model.Config, x model.ID) model.ID {
		h := k.norm("attn_norm", x)
		if k.State != nil {
			h = k.deltaNet(h, c.NEmbd, cyclic)
		} else {
			h = k.gatedAttention(h, c.NEmbd)
		}
		x = k.add("attn", c, x, h)
		return k.add("ffn", c, x, k.ffn(k.norm("post_attention_norm", x), c.NEmbd))
	})
}

// interleave makes the layers linear but for every full_attention_interval-th, or those
// that attention.recurrent_layers says.
func (r *reader) interleave(c *model.Config) {
	s, taps := r.state()
	every := r.sizeOr("full_attention_interval", maxLayers, 4)
	linear := make([]bool, c.NLayer)
	for l := range linear {
		linear[l] = (l+1)%every != 0
	}
	if v, ok := r.file.Get(r.key("attention.recurrent_layers")); ok {
		list, ok := v.Bools()
		if !ok || len(list) < c.NLayer {
			r.fail("attention.recurrent_layers", "not a truth value for each of %d layers", c.NLayer)
			return
		}
		copy(linear, list)
	}
	for l := range linear {
		k := c.Block
		if linear[l] {
			k.NHeadKV, k.State, k.Taps = 0, &s, taps
		}
		c.Blocks = append(c.Blocks, k)
	}
}

// gatedAttention is attention whose output each head's gate lets through.
func (k block) gatedAttention(h model.ID, nEmbd int) model.ID {
	b, d := k.b, k.HeadDimK
	both := k.linear("attn_q", h, 2*k.NHead*d)
	q := b.Slice(k.name("q"), both, 0, d, 2*d)
	q = headsNormed(k, "q", q)
	key := headsNormed(k, "k", k.linear("attn_k", h, k.NHeadKV*d))
	a := k.attend(q, key, k.linear("attn_v", h, k.NHeadKV*k.HeadDimV))
	gate := b.Act(k.name("attn_gate"), b.Slice(k.name("gate"), both, d, d, 2*d), model.Sigmoid)
	return k.linear("attn_output", b.Mul(k.name("attn_gated"), a, gate), nEmbd)
}

// deltaNet is linear attention by the gated delta rule.
func (k block) deltaNet(h model.ID, nEmbd int, cyclic bool) model.ID {
	b, s := k.b, *k.State
	qkv := k.conv("ssm_conv1d", k.linear("attn_qkv", h, 2*s.NHeadK*s.DimK+s.NHead*s.DimV), true)
	qkv = b.L2Norm(k.name("qk_norm"), qkv, s.DimK, 2*s.NHeadK, k.RMSEps)
	var beta, dt model.ID
	if k.b.Has(k.name("ssm_ba.weight")) { // of each key head the betas of its heads, then their steps
		both, n := k.linear("ssm_ba", h, 2*s.NHead), s.NHead/s.NHeadK
		beta, dt = b.Slice(k.name("ssm_beta"), both, 0, n, 2*n), b.Slice(k.name("ssm_alpha"), both, n, n, 2*n)
	} else {
		beta, dt = k.linear("ssm_beta", h, s.NHead), k.linear("ssm_alpha", h, s.NHead)
	}
	beta, dt = b.Act(k.name("beta"), beta, model.Sigmoid), k.step(dt)
	scale := float32(1 / math.Sqrt(float64(s.DimK)))
	y := b.DeltaRule(k.name("delta_rule"), qkv, dt, b.Vector(k.name("ssm_a"), s.NHead), beta, k.slot("ssm_state", s.Len()), s, scale, cyclic)
	y = b.RMSNorm(k.name("ssm_norm"), y, b.Weight(k.name("ssm_norm.weight"), 1, s.DimV), k.RMSEps)
	y = b.SwiGLU(k.name("gated"), k.linear("attn_gate", h, s.NHead*s.DimV), y)
	return k.linear("ssm_out", y, nEmbd)
}
