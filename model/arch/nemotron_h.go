package arch

import "eclat/model"

// nemotronH is NVIDIA's hybrid. A layer has one branch: Mamba-2, attention without rope,
// or a feed-forward layer without a gate:
//
//	x ─┬─ attn_norm ── mamba2, attention, or ffn_up ── relu² ── ffn_down ── + ── x
//	   └────────────────────────────────────────────────────────────────────┘
//
// Which it is, head_count_kv and feed_forward_length say, an array each: neither is
// Mamba-2.
var nemotronH = architecture{
	name:  "nemotron_h",
	read:  func(r *reader) model.Config { return r.nemotronH(false) },
	build: nemotronHBlock,
}

// nemotronHMoE is nemotron_h with experts in its feed-forward layers, by sigmoids, chosen
// with a bias, beside a shared one. Experts may read and write fewer elements than the
// layer has, between two products of its own:
//
//	─┬─ ffn_latent_down ── experts ── ffn_latent_up ── + ──
//	 └─ shared expert ─────────────────────────────────┘
var nemotronHMoE = architecture{
	name:  "nemotron_h_moe",
	read:  func(r *reader) model.Config { return r.nemotronH(true) },
	build: nemotronHBlock,
}

// nemotronH reads the configuration of both.
func (r *reader) nemotronH(experts bool) model.Config {
	r.varied = true
	c := r.transformer()
	r.drafts(&c)
	c.NoRope, c.Act, c.Ungated = true, model.ReLU2, true
	s, taps := r.state()
	var e model.Experts
	if experts {
		e = r.experts(r.largest("expert_feed_forward_length", maxWidth, 0), model.Routing{Gating: r.gating(model.SigmoidEach), Norm: r.truth("expert_weights_norm", false)})
		if r.count("expert_shared_feed_forward_length") > 0 {
			e.NFFShared = r.size("expert_shared_feed_forward_length", maxWidth)
		}
		if r.count("moe_latent_size") > 0 {
			e.NLatent = r.size("moe_latent_size", maxWidth)
		}
	}
	wide := r.layers("feed_forward_length", c.NLayer, maxWidth, c.NFF)
	for l, n := range r.layers("attention.head_count_kv", c.NLayer, maxHeads, c.NHeadKV) {
		k := c.Block
		k.NFF = wide[l]
		switch {
		case k.NFF > 0 && n > 0:
			r.unsupported("attention.head_count_kv", "layer %d has both attention and a feed-forward layer", l)
		case k.NFF > 0:
			k.Experts = e
		case n == 0:
			k.State, k.Taps = &s, taps
		}
		r.keyHeads(&k, l, n)
		c.Blocks = append(c.Blocks, k)
	}
	return c
}

var nemotronHBlock = stacked(func(k block, c *model.Config, x model.ID) model.ID {
	h := k.norm("attn_norm", x)
	switch {
	case k.State != nil:
		h = k.mamba2(h, c.NEmbd)
	case k.NHeadKV > 0:
		h = k.selfAttention(h, c.NEmbd, turned)
	default:
		h = k.ffn(h, c.NEmbd)
	}
	return k.b.Add(k.name("residual"), x, h)
})
