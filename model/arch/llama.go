package arch

import "eclat/model"

// llama is the block of Llama, Mistral and Magistral:
//
//	x ─┬─ attn_norm ─┬─ attn_q ── rope ──┬─ attention ── attn_output ── + ─┬─ ffn_norm ─┬─ ffn_gate ─┬─ swiglu ── ffn_down ── + ── x
//	   │             ├─ attn_k ── rope ──┤   (kept K, V)                 │  │            └─ ffn_up ───┘                      │
//	   │             └─ attn_v ──────────┘                               │  └────────────────────────────────────────────────┘
//	   └─────────────────────────────────────────────────────────────────┘
//
// Heads are grouped, of any size; rope turns neighbouring pairs. Projections may
// carry a bias. Mixtral's ffn is a mixture of experts: softmax over all, the weights of
// those chosen add up to 1.
var llama = architecture{
	name: "llama",
	read: func(r *reader) model.Config {
		c := r.transformer()
		if r.count("expert_count") > 0 {
			c.Experts = r.experts(c.NFF, model.Routing{Norm: true})
		}
		return c
	},
	build: func(b *model.Builder, c *model.Config, st model.Stage) model.ID {
		x := begin(b, c, st)
		for l := st.First; l < st.End && !b.Failed(); l++ {
			k := block{b, l, c.At(l)}
			h := k.norm("attn_norm", x)
			q := k.turn("q_rope", k.linear("attn_q", h, k.NHead*k.HeadDimK))
			key := k.turn("k_rope", k.linear("attn_k", h, k.NHeadKV*k.HeadDimK))
			a := k.attend(q, key, k.linear("attn_v", h, k.NHeadKV*k.HeadDimV))
			x = b.Add(k.name("attn_residual"), x, k.linear("attn_output", a, c.NEmbd))
			x = b.Add(k.name("ffn_residual"), x, k.ffn(k.norm("ffn_norm", x), c.NEmbd))
		}
		return end(b, c, st, x)
	},
}
