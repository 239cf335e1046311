package arch

import "eclat/model"

// stableLM is llama's block with norms that subtract the mean, rope's pairs half a
// rotation apart in a part of each head, and in the larger models a norm of every query
// and key head, by a weight for each. A layer without ffn_norm has its branches side by
// side:
//
//	x ─┬─ attn_norm ─┬─ attention ─┬─ + ── x
//	   │             └─ ffn ───────┤
//	   └───────────────────────────┘
var stableLM = architecture{
	name: "stablelm",
	read: func(r *reader) model.Config {
		c := r.halves()
		c.LayerNorm, c.RMSEps = true, r.epsilon("attention.layer_norm_epsilon")
		return c
	},
	build: stacked(func(k block, c *model.Config, x model.ID) model.ID {
		h := k.norm("attn_norm", x)
		x = k.add("attn", c, x, k.selfAttention(h, c.NEmbd, centredHeads))
		if k.b.Has(k.name("ffn_norm.weight")) {
			h = k.norm("ffn_norm", x)
		}
		return k.add("ffn", c, x, k.ffn(h, c.NEmbd))
	}),
}

// centredHeads norms each head about its mean before rope, by a weight for each head,
// where the file has them.
func centredHeads(k block, part string, x model.ID) model.ID {
	name := k.name("attn_" + part + "_norm")
	if k.b.Has(name + ".weight") {
		x = k.b.HeadLayerNorm(name, x, k.b.Vector(name+".weight", k.b.Cols(x)), k.HeadDimK, k.RMSEps)
	}
	return turned(k, part, x)
}
