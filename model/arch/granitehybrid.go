package arch

import "eclat/model"

// graniteHybrid is IBM's hybrid: Mamba-2 in the layers without key heads, attention in the
// others, and a gated feed-forward layer in each. Four factors run through it:
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
		if n := r.count("expert_count"); n > 0 {
			r.unsupported("expert_count", "a mixture of %d experts is not supported", n)
		}
		r.varied = true
		c := r.transformer()
		c.NoRope = !r.truth("rope.scaling.finetuned", true)
		r.scales(&c)
		s, taps := r.state()
		for l, n := range r.layers("attention.head_count_kv", c.NLayer, maxHeads, c.NHeadKV) {
			k := c.Block
			if k.NHeadKV = n; n == 0 {
				k.State, k.Taps = &s, taps
			} else if k.NHead%n != 0 {
				r.fail("attention.head_count_kv", "in layer %d %d query heads cannot share %d key heads evenly", l, k.NHead, n)
			}
			c.Blocks = append(c.Blocks, k)
		}
		return c
	},
	build: func(b *model.Builder, c *model.Config, st model.Stage) model.ID {
		x := begin(b, c, st)
		for l := st.First; l < st.End && !b.Failed(); l++ {
			k := block{b, l, c.At(l)}
			h := k.norm("attn_norm", x)
			if k.State != nil {
				h = k.mamba2(h, c.NEmbd)
			} else {
				h = k.attention(h, c.NEmbd, !c.NoRope)
			}
			x = b.Add(k.name("attn_residual"), x, b.Scale(k.name("attn_scaled"), h, factor(c.ResidualScale)))
			h = k.ffn(k.norm("ffn_norm", x), c.NEmbd)
			x = b.Add(k.name("ffn_residual"), x, b.Scale(k.name("ffn_scaled"), h, factor(c.ResidualScale)))
		}
		return end(b, c, st, x)
	},
}
