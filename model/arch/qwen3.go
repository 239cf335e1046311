package arch

import "eclat/model"

// qwen3 is llama's block with a norm of every query and key head before rope, which
// turns the pairs (x[j], x[j+d/2]):
//
//	x ─┬─ attn_norm ─┬─ attn_q ── attn_q_norm ── rope ──┬─ attention ── attn_output ── + ─┬─ ffn_norm ── ffn ── + ── x
//	   │             ├─ attn_k ── attn_k_norm ── rope ──┤   (kept K, V)                 │  │                    │
//	   │             └─ attn_v ─────────────────────────┘                               │  └────────────────────┘
//	   └────────────────────────────────────────────────────────────────────────────────┘
//
// The norms' weights (1, head_dim_k) are the same for all heads of a layer.
var qwen3 = architecture{
	name: "qwen3",
	read: func(r *reader) model.Config {
		c := r.transformer()
		c.Rope.Halves = true
		return c
	},
	build: func(b *model.Builder, c *model.Config, st model.Stage) model.ID {
		x := begin(b, c, st)
		for l := st.First; l < st.End && !b.Failed(); l++ {
			k := block{b, l, c.At(l)}
			h := k.norm("attn_norm", x)
			q := k.turn("q_rope", k.headNorm("attn_q_norm", k.linear("attn_q", h, k.NHead*k.HeadDimK)))
			key := k.turn("k_rope", k.headNorm("attn_k_norm", k.linear("attn_k", h, k.NHeadKV*k.HeadDimK)))
			a := k.attend(q, key, k.linear("attn_v", h, k.NHeadKV*k.HeadDimV))
			x = b.Add(k.name("attn_residual"), x, k.linear("attn_output", a, c.NEmbd))
			x = b.Add(k.name("ffn_residual"), x, k.ffn(k.norm("ffn_norm", x), c.NEmbd))
		}
		return end(b, c, st, x)
	},
}
