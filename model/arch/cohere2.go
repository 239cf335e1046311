package arch

import "eclat/model"

// cohere2 is the block of Command R7B and Command A: both branches read the same norm,
// which subtracts the mean, and are added to x together.
//
//	x ─┬─ attn_norm ─┬─ attention ─┬─ + ── x
//	   │             └─ ffn ───────┤
//	   └───────────────────────────┘
//
// Three of four layers have a window and rope of neighbours; the others neither. Logits
// are multiplied by logit_scale.
var cohere2 = architecture{
	name: "cohere2",
	read: func(r *reader) model.Config {
		c := r.transformer()
		c.LayerNorm, c.RMSEps = true, r.epsilon("attention.layer_norm_epsilon")
		c.LogitScale = r.scale("logit_scale")
		w, windowed := r.size("attention.sliding_window", maxCtx), r.windowed(c.NLayer, 4)
		eachLayer(&c, func(l int, k *model.Block) {
			if windowed[l] {
				k.Window = w
			} else {
				k.NoRope = true
			}
		})
		return c
	},
	build: stacked(func(k block, c *model.Config, x model.ID) model.ID {
		h := k.norm("attn_norm", x)
		x = k.add("attn", c, x, k.selfAttention(h, c.NEmbd, turned))
		return k.add("ffn", c, x, k.ffn(h, c.NEmbd))
	}),
}
