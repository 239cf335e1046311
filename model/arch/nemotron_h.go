package arch

import "eclat/model"

// nemotronH is NVIDIA's hybrid. A layer has one branch: Mamba-2, attention without rope,
// or a feed-forward layer without a gate:
//
//	x ─┬─ attn_norm ── mamba2, attention, or ffn_up ── relu² ── ffn_down ── + ── x
//	   └────────────────────────────────────────────────────────────────────┘
//
// Which it is, head_count_kv and feed_forward_length say, an array each: neither is
// Mamba-2.
var nemotronH = architecture{
	name: "nemotron_h",
	read: func(r *reader) model.Config {
		r.varied = true
		c := r.transformer()
		c.NoRope = true
		s, taps := r.state()
		wide := r.layers("feed_forward_length", c.NLayer, maxWidth, c.NFF)
		for l, n := range r.layers("attention.head_count_kv", c.NLayer, maxHeads, c.NHeadKV) {
			k := c.Block
			k.NFF = wide[l]
			switch {
			case k.NFF > 0 && n > 0:
				r.unsupported("attention.head_count_kv", "layer %d has both attention and a feed-forward layer", l)
			case k.NFF == 0 && n == 0:
				k.State, k.Taps = &s, taps
			}
			r.keyHeads(&k, l, n)
			c.Blocks = append(c.Blocks, k)
		}
		return c
	},
	build: stacked(func(k block, c *model.Config, x model.ID) model.ID {
		h := k.norm("attn_norm", x)
		switch {
		case k.State != nil:
			h = k.mamba2(h, c.NEmbd)
		case k.NHeadKV > 0:
			h = k.selfAttention(h, c.NEmbd, turned)
		default:
			h = k.b.Act(k.name("ffn_act"), k.linear("ffn_up", h, k.NFF), model.ReLU2)
			h = k.linear("ffn_down", h, c.NEmbd)
		}
		return k.b.Add(k.name("residual"), x, h)
	}),
}
