package arch

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
	name:  "qwen3",
	read:  (*reader).halves,
	build: preNorm("ffn_norm", headsNormed),
}
