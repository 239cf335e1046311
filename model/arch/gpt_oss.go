package arch

import "eclat/model"

// gptOSS is the block of gpt-oss: llama's with biases everywhere, rope's pairs half a
// rotation apart, and post_attention_norm where llama has ffn_norm.
//
//	x ─┬─ attn_norm ── attention, attn_sinks ── + ─┬─ post_attention_norm ── experts ── + ── x
//	   └────────────────────────────────────────┘  └────────────────────────────────────┘
//
// In every other layer, the first among them, attention has a window. A head's sink is a
// score that takes its share and gives nothing. Experts' weights are the softmax of the
// logits of those chosen, and an expert, with a bias on each product, is
//
//	down·(g·sigmoid(1.702·g)·(u + 1)),  g = min(gate·x, 7),  u = up·x from −7 to 7
var gptOSS = architecture{
	name: "gpt-oss",
	read: func(r *reader) model.Config {
		c := r.halves()
		c.Act = model.ClampedGate
		c.Experts = r.experts(r.size("expert_feed_forward_length", maxWidth), model.Routing{Gating: model.SoftmaxChosen})
		w, windowed := r.size("attention.sliding_window", maxCtx), r.windowed(c.NLayer, 2)
		eachLayer(&c, func(l int, k *model.Block) {
			if windowed[l] {
				k.Window = w
			}
		})
		return c
	},
	build: stacked(func(k block, c *model.Config, x model.ID) model.ID {
		k.b.Weight(k.name("attn_sinks.weight"), 1, k.NHead) // must be there
		x = k.add("attn", c, x, k.selfAttention(k.norm("attn_norm", x), c.NEmbd, turned))
		return k.add("ffn", c, x, k.ffn(k.norm("post_attention_norm", x), c.NEmbd))
	}),
}
