package model

import (
	"math"

	"eclat/loader"
)

// llama is the block of Llama, Mistral and Magistral:
//
//	x ─┬─ attn_norm ─┬─ attn_q ── rope ──┬─ attention ── attn_output ── + ─┬─ ffn_norm ─┬─ ffn_gate ─┬─ swiglu ── ffn_down ── + ── x
//	   │             ├─ attn_k ── rope ──┤   (cached K, V)               │  │            └─ ffn_up ───┘                      │
//	   │             └─ attn_v ──────────┘                               │  └────────────────────────────────────────────────┘
//	   └─────────────────────────────────────────────────────────────────┘
//
// Heads are grouped, of any size; rope turns interleaved pairs. Projections may
// carry a bias.
var llama = architecture{
	name: "llama",
	refuse: func(f *loader.File) error {
		const experts = "llama.expert_count"
		if v, ok := f.Get(experts); ok {
			if n, _ := v.Uint(); n > 0 {
				return UnsupportedError{f.Errorf(experts, "a mixture of %d experts is not supported", n)}
			}
		}
		return nil
	},
	layer: func(b *Builder, c *Config, l, rope int, x ID) ID {
		// linear is a projection to rows elements, with its bias where the file has one.
		linear := func(name string, x ID, rows int) ID {
			y := b.MatMul(blk(l, name), b.Weight(blk(l, name+".weight"), rows, b.cols(x)), x)
			if bias := blk(l, name+".bias"); b.Has(bias) {
				y = b.Add(blk(l, name+"+bias"), y, b.Weight(bias, 1, rows))
			}
			return y
		}
		kCache := b.Cache(blk(l, "k_cache"), c.NHeadKV*c.HeadDimK)
		vCache := b.Cache(blk(l, "v_cache"), c.NHeadKV*c.HeadDimV)
		scale := float32(1 / math.Sqrt(float64(c.HeadDimK)))

		h := b.RMSNorm(blk(l, "attn_norm"), x, b.Weight(blk(l, "attn_norm.weight"), 1, c.NEmbd), c.RMSEps)
		q := b.RoPE(blk(l, "q_rope"), linear("attn_q", h, c.NHead*c.HeadDimK), c.HeadDimK, rope)
		k := b.RoPE(blk(l, "k_rope"), linear("attn_k", h, c.NHeadKV*c.HeadDimK), c.HeadDimK, rope)
		v := linear("attn_v", h, c.NHeadKV*c.HeadDimV)
		b.Store(kCache, k)
		b.Store(vCache, v)
		a := b.Attention(blk(l, "attention"), q, kCache, vCache, c.NHead, c.NHeadKV, scale)
		x = b.Add(blk(l, "attn_residual"), x, linear("attn_output", a, c.NEmbd))

		h = b.RMSNorm(blk(l, "ffn_norm"), x, b.Weight(blk(l, "ffn_norm.weight"), 1, c.NEmbd), c.RMSEps)
		h = b.SwiGLU(blk(l, "swiglu"), linear("ffn_gate", h, c.NFF), linear("ffn_up", h, c.NFF))
		return b.Add(blk(l, "ffn_residual"), x, linear("ffn_down", h, c.NEmbd))
	},
}
