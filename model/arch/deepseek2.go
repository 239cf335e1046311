package arch

import "eclat/model"

// deepseek2 is the block of DeepSeek V2, V3 and R1, of Kimi K2, GLM-4.7-Flash and Mistral
// Large 3: llama's with latent attention (latent.go). All layers but the first few are of
// experts, beside shared ones that are one matrix. Its rope is scaled by YaRN's factor only
// where the file has no rope.scaling.yarn_log_multiplier. Layers behind the last that draft
// tokens are left aside.
var deepseek2 = architecture{
	name: "deepseek2",
	read: func(r *reader) model.Config {
		return r.latentExperts(func(ln, m float64) float64 {
			if m != 0 {
				return 1
			}
			return 1 + float64(0.1*ln)
		})
	},
	build: latentBlocks,
}

// latentExperts reads a family of latent attention whose layers but the first few are of
// experts.
func (r *reader) latentExperts(yarn func(ln, m float64) float64) model.Config {
	c := r.latent(yarn)
	all := c.NLayer
	r.drafts(&c)
	width, gating := r.expertWidth(c.NFF), model.SoftmaxAll
	if c.NVocab == 154880 && (all == 47 || all == 48) {
		gating = model.SigmoidEach // GLM-4.7-Flash, whose files may not say so
	}
	c.Experts = r.experts(width, model.Routing{Gating: r.gating(gating), Norm: r.truth("expert_weights_norm", false)})
	c.Experts.NFFShared = r.sharedWidth(width)
	leading := r.count("leading_dense_block_count")
	denseAt(&c, func(l int) bool { return uint64(l) < leading })
	return c
}

// latentBlocks builds llama's block with latent attention.
var latentBlocks = stacked(func(k block, c *model.Config, x model.ID) model.ID {
	x = k.add("attn", c, x, k.latentAttention(k.norm("attn_norm", x), c.NEmbd))
	return k.add("ffn", c, x, k.ffn(k.norm("ffn_norm", x), c.NEmbd))
})
