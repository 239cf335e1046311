package arch

import "eclat/model"

// bitnet is llama's block of BitNet b1.58: norms within both branches too, and rope's pairs
// half a rotation apart. Weights of three values have a factor each, in NAME.scale.
//
//	x ─┬─ attn_norm ── attention ── attn_sub_norm ── attn_output ── + ── …
//	   └────────────────────────────────────────────────────────────┘
//	x ─┬─ ffn_norm ── silu(gate)·up ── ffn_sub_norm ── ffn_down ── + ── x
//	   └───────────────────────────────────────────────────────────┘
var bitnet = architecture{
	name: "bitnet",
	read: (*reader).halves,
	build: stacked(func(k block, c *model.Config, x model.ID) model.ID {
		a := k.heads(k.norm("attn_norm", x), turned)
		x = k.add("attn", c, x, k.linear("attn_output", k.norm("attn_sub_norm", a), c.NEmbd))
		h := k.hidden("", k.norm("ffn_norm", x), k.NFF)
		return k.add("ffn", c, x, k.linear("ffn_down", k.norm("ffn_sub_norm", h), c.NEmbd))
	}),
}
