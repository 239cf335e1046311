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
		c := r.halves()
		r.drafts(&c)
		width := r.expertWidth(c.NFF)
		c.Experts = r.experts(width, model.Routing{Gating: r.gating(model.SigmoidEach), Norm: r.truth("expert_weights_norm", false)})
		c.Experts.NFFShared = r.sharedWidth(width)
		leading := r.count("leading_dense_block_count")
		denseAt(&c, func(l int) bool { return uint64(l) < leading })
		return c
	},
	build: preNorm("post_attention_norm", func(k block, part string, x model.ID) model.ID {
		if k.b.Has(k.name("attn_q_norm.weight")) || k.b.Has(k.name("attn_k_norm.weight")) {
			return headsNormed(k, part, x)
		}
		return turned(k, part, x)
	}),
}
