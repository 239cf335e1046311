package arch

import "eclat/model"

// minimaxM2 is MiniMax-M2's block: llama's with a norm of whole rows of queries and of keys
// before rope, which turns a part of each head, its pairs half of that apart, and experts
// by sigmoids, chosen with a bias, whose weights add up to 1.
var minimaxM2 = architecture{
	name: "minimax-m2",
	read: func(r *reader) model.Config {
		c := r.halves()
		r.drafts(&c)
		c.Experts = r.experts(c.NFF, model.Routing{Gating: r.gating(model.SoftmaxAll), Norm: true})
		return c
	},
	build: preNorm("ffn_norm", rowsNormed),
}
