package arch

import "eclat/model"

// graniteHybrid is IBM's hybrid: Mamba-2 in the layers without key heads, attention in the
// others, and a gated feed-forward layer in each, dense or of experts. Four factors run through it:
//
//	embedding · embedding_scale
//	x ─┬─ attn_norm ── mix · residual_scale ── + ─┬─ ffn_norm ── ffn · residual_scale ── + ── x
//	   └───────────────────────────────────────┘  └──────────────────────────────────────┘
//	logits ÷ logit_scale; attention.scale in place of 1/√d
//
// Rope turns neighbours, unless rope.scaling.finetuned is false.
var graniteHybrid = architecture{
	name: "granitehybrid",
	read: func(r *reader) model.Config {
		r.varied = true
		c := r.transformer()
		c.NoRope = !r.truth("rope.scaling.finetuned", true)
		r.scales(&c)
		if r.count("expert_count") > 0 {
			r.graniteExperts(&c)
		}
		s, taps := r.state()
		for l, n := range r.layers("attention.head_count_kv", c.NLayer, maxHeads, c.NHeadKV) {
			k := c.Block
			if r.keyHeads(&k, l, n); n == 0 {
				k.State, k.Taps = &s, taps
			}
			c.Blocks = append(c.Blocks, k)
		}
		return c
	},
	build: stacked(func(k block, c *model.Config, x model.ID) model.ID {
		h := k.norm("attn_norm", x)
		if k.State != nil {
			h = k.mamba2(h, c.NEmbd)
		} else {
			h = k.selfAttention(h, c.NEmbd, turned)
		}
		x = k.add("attn", c, x, h)
		return k.add("ffn", c, x, k.ffn(k.norm("ffn_norm", x), c.NEmbd))
	}),
}
