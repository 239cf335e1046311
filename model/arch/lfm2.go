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
	name: "lfm2",
	read: func(r *reader) model.Config {
		r.varied = true
		c := r.transformer()
		c.Rope.Halves = true
		taps := r.taps("shortconv.l_cache")
		for l, n := range r.layers("attention.head_count_kv", c.NLayer, maxHeads, c.NHeadKV) {
			k := c.Block
			if k.NHeadKV = n; n == 0 {
				k.Taps = taps
			} else if k.NHead%n != 0 {
				r.fail("attention.head_count_kv", "in layer %d %d query heads cannot share %d key heads evenly", l, k.NHead, n)
			}
			c.Blocks = append(c.Blocks, k)
		}
		return c
	},
	build: func(b *model.Builder, c *model.Config, st model.Stage) model.ID {
		x := begin(b, c, st)
		for l := st.First; l < st.End && !b.Failed(); l++ {
			k := block{b, l, c.At(l)}
			h := k.norm("attn_norm", x)
			if k.NHeadKV == 0 {
				h = k.shortConv(h)
			} else {
				q := k.turn("q_rope", k.headNorm("attn_q_norm", k.linear("attn_q", h, k.NHead*k.HeadDimK)))
				key := k.turn("k_rope", k.headNorm("attn_k_norm", k.linear("attn_k", h, k.NHeadKV*k.HeadDimK)))
				h = k.linear("attn_output", k.attend(q, key, k.linear("attn_v", h, k.NHeadKV*k.HeadDimV)), c.NEmbd)
			}
			x = b.Add(k.name("attn_residual"), x, h)
			x = b.Add(k.name("ffn_residual"), x, k.ffn(k.norm("ffn_norm", x), c.NEmbd))
		}
		return endWith("token_embd_norm", b, c, st, x)
	},
}

// shortConv is out_proj of c · conv(b · u), where in_proj gives b, c and u.
func (k block) shortConv(h model.ID) model.ID {
	b, n := k.b, k.b.Cols(h)
	in := k.linear("shortconv.in_proj", h, 3*n)
	third := func(name string, i int) model.ID { return b.Slice(k.name("shortconv."+name), in, i*n, n, 3*n) }
	y := k.conv("shortconv.conv", b.Mul(k.name("shortconv.bu"), third("b", 0), third("u", 2)), false)
	return k.linear("shortconv.out_proj", b.Mul(k.name("shortconv.gated"), third("c", 1), y), n)
}
