package arch

import "eclat/model"

// lfm2 is Liquid's hybrid: most layers mix by a short convolution between two gates, those
// with key heads by attention:
//
//	x ─┬─ attn_norm ── mix ── + ─┬─ ffn_norm ── ffn ── + ── x
//	   └──────────────────────┘  └─────────────────────┘
//
//	── shortconv.in_proj ─┬─ b ─┐
//	                      ├─ u ─ · ── shortconv.conv ── · ── shortconv.out_proj
//	                      └─ c ─────────────────────────┘
//
// Attention is qwen3's: norms of heads before rope, which turns halves.
var lfm2 = architecture{
	name:  "lfm2",
	read:  func(r *reader) model.Config { return r.lfm2(false) },
	build: lfm2Block,
}

// lfm2moe is lfm2 with experts in the layers from leading_dense_block_count on, whose
// weights add up to 1.
var lfm2moe = architecture{
	name:  "lfm2moe",
	read:  func(r *reader) model.Config { return r.lfm2(true) },
	build: lfm2Block,
}

// lfm2 reads the configuration of both.
func (r *reader) lfm2(experts bool) model.Config {
	r.varied = true
	c := r.halves()
	taps, dense := r.taps("shortconv.l_cache"), 0
	if experts {
		c.Experts = r.experts(r.expertWidth(c.NFF), model.Routing{Norm: true, Gating: r.gating(model.SigmoidEach)})
		dense = int(min(r.count("leading_dense_block_count"), maxLayers))
	}
	for l, n := range r.layers("attention.head_count_kv", c.NLayer, maxHeads, c.NHeadKV) {
		k := c.Block
		if l < dense {
			k.Experts = model.Experts{}
		}
		if r.keyHeads(&k, l, n); n == 0 {
			k.Taps = taps
		}
		c.Blocks = append(c.Blocks, k)
	}
	return c
}

var lfm2Block = stackedUnder("token_embd_norm", func(k block, c *model.Config, x model.ID) model.ID {
	h := k.norm("attn_norm", x)
	if k.NHeadKV == 0 {
		h = k.shortConv(h)
	} else {
		h = k.selfAttention(h, c.NEmbd, headsNormed)
	}
	x = k.add("attn", c, x, h)
	return k.add("ffn", c, x, k.ffn(k.norm("ffn_norm", x), c.NEmbd))
})

// shortConv is out_proj of c · conv(b · u), where in_proj gives b, c and u.
func (k block) shortConv(h model.ID) model.ID {
	b, n := k.b, k.b.Cols(h)
	in := k.linear("shortconv.in_proj", h, 3*n)
	third := func(name string, i int) model.ID { return b.Slice(k.name("shortconv."+name), in, i*n, n, 3*n) }
	y := k.conv("shortconv.conv", b.Mul(k.name("shortconv.bu"), third("b", 0), third("u", 2)), false)
	return k.linear("shortconv.out_proj", b.Mul(k.name("shortconv.gated"), third("c", 1), y), n)
}
