package arch

import (
	"math"

	"eclat/model"
)

// gemma is llama's block with embeddings times √n_embd, gelu in the place of silu, and
// rope's pairs half a rotation apart.
var gemma = architecture{
	name:  "gemma",
	read:  (*reader).gemma,
	build: preNorm("ffn_norm", turned),
}

// gemma reads what the families of Gemma share.
func (r *reader) gemma() model.Config {
	c := r.halves()
	c.Act, c.EmbdScale = model.GELU, float32(math.Sqrt(float64(c.NEmbd)))
	return c
}

// gemma2 has norms before and after both branches, caps on scores and logits, and windows
// in every other layer, the first among them.
var gemma2 = architecture{
	name: "gemma2",
	read: func(r *reader) model.Config {
		c := r.gemma()
		c.AttnCap, c.LogitCap = r.cap("attn_logit_softcapping", 50), r.cap("final_logit_softcapping", 30)
		if c.NLayer == 46 { // 27B
			c.AttnScale = perHead(&c)
		}
		w, windowed := r.window(4096), r.windowed(c.NLayer, 2)
		eachLayer(&c, func(l int, k *model.Block) {
			if windowed[l] {
				k.Window = w
			}
		})
		return c
	},
	build: sandwich(turned),
}

// gemma3 is gemma2 without the cap on scores, with norms of every head of queries and keys
// before rope, and windows in five of six layers, where rope has a base of its own and no
// scaling.
var gemma3 = architecture{
	name: "gemma3",
	read: func(r *reader) model.Config {
		c := r.gemma()
		c.LogitCap = r.cap("final_logit_softcapping", 0)
		if c.NLayer == 62 { // 27B
			c.AttnScale = perHead(&c)
		}
		if r.count("attention.sliding_window") == 0 {
			return c
		}
		w, windowed, base := r.window(0), r.windowed(c.NLayer, 6), r.base("rope.freq_base_swa")
		eachLayer(&c, func(l int, k *model.Block) {
			if windowed[l] {
				k.Window, k.Rope = w, k.Rope.Unscaled()
				k.Rope.FreqBase = base
			}
		})
		return c
	},
	build: sandwich(headsNormed),
}

// perHead is 1/√(n_embd/n_head), the scale of attention in the models of 27B.
func perHead(c *model.Config) float32 {
	return float32(1 / math.Sqrt(float64(c.NEmbd)/float64(c.NHead)))
}
