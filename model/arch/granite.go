package arch

import "eclat/model"

// granite is llama's block with four factors of the file's own: embeddings are multiplied
// by embedding_scale and branches by residual_scale, attention.scale stands in the place
// of 1/√d, and logits are divided by logit_scale.
var granite = architecture{
	name: "granite",
	read: func(r *reader) model.Config {
		c := r.transformer()
		r.scales(&c)
		return c
	},
	build: preNorm("ffn_norm", turned),
}

// graniteMoE is granite with experts: softmax over all, the weights of those chosen add up
// to 1. A shared expert where its width is given.
var graniteMoE = architecture{
	name: "granitemoe",
	read: func(r *reader) model.Config {
		c := r.transformer()
		r.scales(&c)
		r.graniteExperts(&c)
		return c
	},
	build: granite.build,
}

// graniteExperts reads Granite's experts.
func (r *reader) graniteExperts(c *model.Config) {
	c.Experts = r.experts(c.NFF, model.Routing{Norm: true})
	if r.count("expert_shared_feed_forward_length") > 0 {
		c.Experts.NFFShared = r.size("expert_shared_feed_forward_length", maxWidth)
	}
}

// scales reads Granite's factors; 0 or an absent key is none.
func (r *reader) scales(c *model.Config) {
	c.EmbdScale, c.ResidualScale = r.scale("embedding_scale"), r.scale("residual_scale")
	if s := r.scale("logit_scale"); s != 0 {
		c.LogitScale = 1 / s
	}
	if s := r.scale("attention.scale"); s != 0 {
		c.AttnScale = s
	}
}
