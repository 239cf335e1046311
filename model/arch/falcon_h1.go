package arch

import "eclat/model"

// falconH1 is the hybrid of Falcon H1: attention and Mamba-2 side by side in every layer.
//
//	x ─┬─ attn_norm ─┬─ attention ─┬─ + ─┬─ ffn_norm ── ffn ── + ── x
//	   │             └─ mamba2 ────┤     └─────────────────────┘
//	   └───────────────────────────┘
//
// Rope turns halves; the factors of the papers are in the file's weights.
var falconH1 = architecture{
	name: "falcon-h1",
	read: func(r *reader) model.Config {
		c := r.halves()
		s, taps := r.state()
		c.State, c.Taps = &s, taps
		return c
	},
	build: stacked(func(k block, c *model.Config, x model.ID) model.ID {
		h := k.norm("attn_norm", x)
		x = k.add("attn", c, x, k.b.Add(k.name("attn+ssm"), k.selfAttention(h, c.NEmbd, turned), k.mamba2(h, c.NEmbd)))
		name := k.name("ffn_norm")
		if !k.b.Has(name) { // the name has no end in most files
			name += ".weight"
		}
		h = k.b.RMSNorm(k.name("ffn_normed"), x, k.b.Weight(name, 1, c.NEmbd), k.RMSEps)
		return k.add("ffn", c, x, k.ffn(h, c.NEmbd))
	}),
}
