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
	build: preNorm("ffn_norm", turned),
}
