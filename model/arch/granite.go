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
