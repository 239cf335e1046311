package arch

import "eclat/model"

// glm4moe is GLM-4.5's block: llama's with biases on q, k and v, a norm of every query
// and key head where the file has one, rope over a part of a head with its pairs half of
// that apart, and post_attention_norm where llama has ffn_norm. All layers but the first
// few are of experts, by sigmoids, beside a shared one. Layers behind the last that draft
// tokens are left aside.
var glm4moe = architecture{
	name: "glm4moe",
	read: func(r *reader) model.Config {
		c := r.transformer()
		r.drafts(&c)
		c.Rope.Halves = true
		width := r.expertWidth(c.NFF)
		c.Experts = r.experts(width, model.Routing{Gating: r.gating(model.SigmoidEach), Norm: r.flag("expert_weights_norm")})
		c.Experts.NFFShared = width * int(min(r.count("expert_shared_count"), model.MaxExperts))
		if c.Experts.NFFShared > maxWidth {
			r.fail("expert_shared_count", "shared experts of %d elements, the limit is %d", c.Experts.NFFShared, maxWidth)
		}
		leading := r.count("leading_dense_block_count")
		denseAt(&c, func(l int) bool { return uint64(l) < leading })
		return c
	},
	build: func(b *model.Builder, c *model.Config, st model.Stage) model.ID {
		x := begin(b, c, st)
		for l := st.First; l < st.End && !b.Failed(); l++ {
			k := block{b, l, c.At(l)}
			h := k.norm("attn_norm", x)
			q, key := k.linear("attn_q", h, k.NHead*k.HeadDimK), k.linear("attn_k", h, k.NHeadKV*k.HeadDimK)
			if b.Has(k.name("attn_q_norm.weight")) || b.Has(k.name("attn_k_norm.weight")) {
				q, key = k.headNorm("attn_q_norm", q), k.headNorm("attn_k_norm", key)
			}
			a := k.attend(k.turn("q_rope", q), k.turn("k_rope", key), k.linear("attn_v", h, k.NHeadKV*k.HeadDimV))
			x = b.Add(k.name("attn_residual"), x, k.linear("attn_output", a, c.NEmbd))
			x = b.Add(k.name("ffn_residual"), x, k.ffn(k.norm("post_attention_norm", x), c.NEmbd))
		}
		return end(b, c, st, x)
	},
}
