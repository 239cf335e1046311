package arch

import "eclat/model"

// minimaxM2 is MiniMax-M2's block: llama's with a norm of whole rows of queries and of keys
// before rope, which turns a part of each head, its pairs half of that apart, and experts
// by sigmoids, chosen with a bias, whose weights add up to 1.
var minimaxM2 = architecture{
	name: "minimax-m2",
	read: func(r *reader) model.Config {
		c := r.transformer()
		c.Rope.Halves = true
		c.Experts = r.experts(c.NFF, model.Routing{Gating: r.gating(model.SoftmaxAll), Norm: true})
		return c
	},
	build: func(b *model.Builder, c *model.Config, st model.Stage) model.ID {
		x := begin(b, c, st)
		for l := st.First; l < st.End && !b.Failed(); l++ {
			k := block{b, l, c.At(l)}
			h := k.norm("attn_norm", x)
			q := k.turn("q_rope", k.norm("attn_q_norm", k.linear("attn_q", h, k.NHead*k.HeadDimK)))
			key := k.turn("k_rope", k.norm("attn_k_norm", k.linear("attn_k", h, k.NHeadKV*k.HeadDimK)))
			a := k.attend(q, key, k.linear("attn_v", h, k.NHeadKV*k.HeadDimV))
			x = b.Add(k.name("attn_residual"), x, k.linear("attn_output", a, c.NEmbd))
			x = b.Add(k.name("ffn_residual"), x, k.ffn(k.norm("ffn_norm", x), c.NEmbd))
		}
		return end(b, c, st, x)
	},
}
