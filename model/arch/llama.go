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
// carry a bias.
var llama = architecture{
	name: "llama",
	read: func(r *reader) model.Config {
		if n := r.count("expert_count"); n > 0 {
			r.unsupported("expert_count", "a mixture of %d experts is not supported", n)
		}
		return r.transformer()
	},
	build: preNorm("ffn_norm", turned),
}
