package arch

import "eclat/model"

// hunyuanMoE is Hunyuan's block: llama's with rope's pairs half a rotation apart, a norm
// of every query and key head behind rope, and experts beside a shared one: softmax over
// all, the weights of those chosen add up to 1.
var hunyuanMoE = architecture{
	name: "hunyuan-moe",
	read: func(r *reader) model.Config {
		c := r.transformer()
		c.Rope.Halves = true
		c.Experts = r.experts(c.NFF, model.Routing{Norm: true})
		c.Experts.NFFShared = r.size("expert_shared_feed_forward_length", maxWidth)
		return c
	},
	build: func(b *model.Builder, c *model.Config, st model.Stage) model.ID {
		x := begin(b, c, st)
		for l := st.First; l < st.End && !b.Failed(); l++ {
			k := block{b, l, c.At(l)}
			h := k.norm("attn_norm", x)
			q := k.headNorm("attn_q_norm", k.turn("q_rope", k.linear("attn_q", h, k.NHead*k.HeadDimK)))
			key := k.headNorm("attn_k_norm", k.turn("k_rope", k.linear("attn_k", h, k.NHeadKV*k.HeadDimK)))
			a := k.attend(q, key, k.linear("attn_v", h, k.NHeadKV*k.HeadDimV))
			x = b.Add(k.name("attn_residual"), x, k.linear("attn_output", a, c.NEmbd))
			x = b.Add(k.name("ffn_residual"), x, k.ffn(k.norm("ffn_norm", x), c.NEmbd))
		}
		return end(b, c, st, x)
	},
}
