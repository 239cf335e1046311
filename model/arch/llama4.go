package arch

import (
	"slices"

	"eclat/model"
)

// llama4 is llama's block of Llama 4. Three of four layers see their chunk of 8192
// positions, from its beginning on; heads of queries and keys are normed behind rope,
// without a weight (not in the model of 128 experts). The fourth sees all positions and
// turns none of them into its heads; there queries grow warmer: they are multiplied by
// 1 + 0.1·ln(⌊(position + 1)/8192⌋ + 1). No key says these numbers.
//
// Every few layers have experts, of which a row goes to one, whose weight multiplies what
// the expert reads, and another that all rows go to:
//
//	x ─┬─ ffn_gate_inp ─┬─ sigmoid of the best ─┐
//	   │                └─ the best ────────────┼───────────┐
//	   ├─────────────────────────────────────── · ── expert ┴ + ── y
//	   └─ ffn_{gate,up,down}_shexp ───────────────────────────┘
var llama4 = architecture{
	name: "llama4",
	read: func(r *reader) model.Config {
		c := r.transformer()
		c.Experts = r.experts(r.size("expert_feed_forward_length", maxWidth), model.Routing{Gating: model.SigmoidEach})
		c.Experts.NFFShared = c.Experts.NFF
		step := r.size("interleave_moe_layer_step", maxLayers)
		base := c.Rope.FreqBase
		if r.has("rope.freq_base_swa") {
			base = r.base("rope.freq_base_swa")
		}
		switch windowed := r.windowed(c.NLayer, 4); {
		case r.err != nil:
		case c.Experts.Used != 1:
			r.unsupported("expert_used_count", "%d experts a row are not supported; one is", c.Experts.Used)
		case c.Rope.Dims != c.HeadDimK:
			r.unsupported("rope.dimension_count", "heads of %d of which rope turns %d are not supported", c.HeadDimK, c.Rope.Dims)
		case r.has("attention.sliding_window") && r.count("attention.sliding_window") == 0:
			r.unsupported("attention.sliding_window", "0, a model without chunks, is not supported")
		default:
			eachLayer(&c, func(l int, k *model.Block) {
				if windowed[l] {
					k.Window, k.Rope.FreqBase = llama4Chunk, base
				}
				if (l+1)%4 == 0 {
					k.NoRope, k.Rope.Warm, k.Rope.Every = true, 0.1, llama4Chunk
				}
				if (l+1)%step != 0 {
					k.Experts = model.Experts{}
				}
			})
		}
		return c
	},
	build: stacked(func(k block, c *model.Config, x model.ID) model.ID {
		x = k.add("attn", c, x, k.linear("attn_output", k.llama4Attention(k.norm("attn_norm", x), c), c.NEmbd))
		return k.add("ffn", c, x, k.llama4FFN(k.norm("ffn_norm", x), c.NEmbd))
	}),
}

// llama4Chunk is how many positions a chunk has.
const llama4Chunk = 8192

// llama4Attention is what the layer's heads make of x, before attn_output.
func (k block) llama4Attention(x model.ID, c *model.Config) model.ID {
	b, q, key, value := k.b, k.queries(x), k.keys(x), k.values(x)
	if k.NoRope { // a turn by an angle of nothing
		q = b.RoPE(k.name("q_warm"), q, k.HeadDimK, b.Rope(model.Rope{
			Freq: make([]float64, k.HeadDimK/2), Scale: 1, Warm: k.Rope.Warm, Every: k.Rope.Every, Ahead: 1,
		}))
	} else {
		q, key = turned(k, "q", q), turned(k, "k", key)
		if !slices.ContainsFunc(c.Blocks, func(k model.Block) bool { return k.Experts.N == 128 }) {
			q = b.HeadNorm(k.name("q_normed"), q, k.HeadDimK, k.RMSEps)
			key = b.HeadNorm(k.name("k_normed"), key, k.HeadDimK, k.RMSEps)
		}
	}
	if k.Window == 0 {
		return k.attend(q, key, value)
	}
	keys, values := k.caches(k.l)
	b.Store(keys, key)
	b.Store(values, value)
	return b.ChunkedAttention(k.name("attention"), q, keys, values, k.NHead, k.NHeadKV, k.AttnScale)
}

// llama4FFN is the dense layer, or the experts: the best by its logit, since a sigmoid may
// be 1 for several. Its own weight among those chosen is 1.
func (k block) llama4FFN(x model.ID, nEmbd int) model.ID {
	b, e := k.b, &k.Experts
	if e.N == 0 {
		return k.dense("", x, k.NFF, nEmbd)
	}
	chosen := e.Routing
	chosen.Gating, chosen.Scale = model.SoftmaxChosen, 1
	logits := k.linear("ffn_gate_inp", x, e.N)
	weighed := b.Combine(k.name("weighed"), x, b.Route(k.name("weight"), logits, model.None, e.Routing), model.None)
	routes := b.Route(k.name("routes"), logits, model.None, chosen)
	y := b.Combine(k.name("experts"), k.answers(weighed, routes, nEmbd), routes, model.None)
	return b.Add(k.name("experts+shared"), y, k.shared(x, nEmbd))
}
