package arch

import (
	"math"

	"eclat/loader"
	"eclat/model"
)

// gemma4 is the block of Gemma 4: gemma3's, with a norm of every head of
// values that has no weight, and scores that are not scaled. Layers with a window have
// heads and a rope of their own sizes; where a layer has no attn_v, its values are what
// attn_k gives. The last attention.shared_kv_layers layers have no keys and values: they
// read those of the last layer of their kind before. layer_output_scale multiplies all
// that leaves a layer. Experts, where there are, lie beside the dense layer (gemma4_experts.go).
//
// In the small models each layer is given something of the token once more:
//
//	token ── per_layer_token_embd·√P ───────────────────────────────────────── + ─ p·1/√2
//	embedding ── per_layer_model_proj·1/√E ── per_layer_proj_norm (P at a time) ┘
//	x ─┬─ inp_gate ── gelu ── · p[layer] ── proj ── post_norm ── + ── x
//	   └─────────────────────────────────────────────────────────┘
var gemma4 = architecture{
	name: "gemma4",
	read: func(r *reader) model.Config {
		r.varied = true
		c := r.gemma()
		c.LogitCap, c.AttnScale = r.cap("final_logit_softcapping", 0), 1
		if r.count("embedding_length_per_layer_input") > 0 {
			c.NEmbdLayer = r.size("embedding_length_per_layer_input", maxWidth/max(1, c.NLayer))
		}
		if r.count("expert_count") > 0 {
			c.Experts = r.experts(r.size("expert_feed_forward_length", maxWidth), model.Routing{Norm: true})
		}
		shared := int(min(r.count("attention.shared_kv_layers"), maxLayers))
		if r.err == nil && shared > c.NLayer-2 && shared > 0 {
			r.fail("attention.shared_kv_layers", "%d of %d layers have no layers to read from", shared, c.NLayer)
		}
		r.gemma4Layers(&c, c.NLayer-shared)
		return c
	},
	build: func(b *model.Builder, c *model.Config, st model.Stage) model.ID {
		x := begin(b, c, st)
		p := perLayer(b, c, st, x)
		for l := st.First; l < st.End && !b.Failed(); l++ {
			k := block{b, l, c.At(l)}
			if k.KVOf != nil && *k.KVOf < st.First {
				b.Unsupported("%s.attention.shared_kv_layers: layer %d reads the keys of layer %d, which is on another device", c.Architecture, l, *k.KVOf)
			}
			a := k.linear("attn_output", k.sharedAttention(k.norm("attn_norm", x)), c.NEmbd)
			x = k.add("attn", c, x, k.norm("post_attention_norm", a))
			x = k.add("ffn", c, x, k.norm("post_ffw_norm", k.gemma4FFN(x, c.NEmbd)))
			if n := c.NEmbdLayer; n > 0 {
				g := b.Act(k.name("inp_gelu"), k.linear("inp_gate", x, n), model.GELU)
				g = b.Mul(k.name("inp_gated"), g, b.Slice(k.name("inp"), p, l*n, n, c.NLayer*n))
				x = k.add("inp", c, x, k.norm("post_norm", k.linear("proj", g, c.NEmbd)))
			}
			if name := k.name("layer_output_scale.weight"); b.Has(name) {
				x = b.Mul(k.name("layer_output"), x, b.Weight(name, 1, 1))
			}
		}
		return end("output_norm", b, c, st, x)
	},
}

// gemma4Layers reads what differs from layer to layer; those from layer own on have no
// keys and values of their own.
func (r *reader) gemma4Layers(c *model.Config, own int) {
	const pattern = "attention.sliding_window_pattern"
	if v, ok := r.file.Get(r.key(pattern)); r.err == nil && (!ok || v.Type != loader.Array) {
		r.fail(pattern, "not a truth value for each of %d layers", c.NLayer)
	}
	nFF := r.layers("feed_forward_length", c.NLayer, maxWidth, 0)
	nKV := r.layers("attention.head_count_kv", c.NLayer, maxHeads, c.NHeadKV)
	windowed, w := r.windowed(c.NLayer, 1), r.size("attention.sliding_window", maxCtx)
	dimK := r.sizeOr("attention.key_length_swa", maxWidth, c.HeadDimK)
	dimV := r.sizeOr("attention.value_length_swa", maxWidth, c.HeadDimV)
	rope := c.Rope.Unscaled()
	rope.Factors, rope.FreqBase = nil, r.base("rope.freq_base_swa")
	rope.Dims = r.sizeOr("rope.dimension_count_swa", maxWidth, dimK)
	if r.err == nil && (rope.Dims%2 != 0 || rope.Dims > dimK) {
		r.fail("rope.dimension_count_swa", "%d rotary dimensions in heads of %d", rope.Dims, dimK)
	}
	if r.err != nil {
		return
	}
	eachLayer(c, func(l int, k *model.Block) {
		k.NFF = nFF[l]
		r.keyHeads(k, l, nKV[l])
		if windowed[l] {
			k.Window, k.HeadDimK, k.HeadDimV, k.Rope = w, dimK, dimV, rope
		}
		switch {
		case k.NFF == 0:
			r.fail("feed_forward_length", "0 in layer %d", l)
		case k.NHeadKV == 0:
			r.fail("attention.head_count_kv", "in layer %d %d query heads cannot share %d key heads evenly", l, k.NHead, k.NHeadKV)
		case l >= own:
			of := own - 1
			if windowed[l] {
				of--
			}
			k.KVOf = &of
		}
	})
	for l := own; l < c.NLayer && r.err == nil; l++ {
		k := c.At(l)
		if of := c.At(*k.KVOf); of.Window != k.Window || of.NHeadKV != k.NHeadKV || of.HeadDimK != k.HeadDimK || of.HeadDimV != k.HeadDimV {
			r.fail("attention.shared_kv_layers", "layer %d cannot read the keys of layer %d, which has others", l, *k.KVOf)
		}
	}
}

// perLayer is what each layer is given of the tokens, (n, n_layer·P), None where there is
// nothing.
func perLayer(b *model.Builder, c *model.Config, st model.Stage, x model.ID) model.ID {
	n := c.NEmbdLayer
	if n == 0 {
		return model.None
	}
	if !st.Embed {
		b.Unsupported("%s.embedding_length_per_layer_input: layers that are given something of the tokens cannot be on a device without the embedding", c.Architecture)
	}
	root := func(n int) float32 { return float32(math.Sqrt(float64(n))) }
	t := b.Embed("per_layer_embd", b.Weight("per_layer_token_embd.weight", c.NVocab, c.NLayer*n))
	t = b.Scale("per_layer_embd_scaled", t, root(n))
	u := b.MatMul("per_layer_proj", b.Weight("per_layer_model_proj.weight", c.NLayer*n, c.NEmbd), x)
	u = b.Scale("per_layer_proj_scaled", u, 1/root(c.NEmbd))
	u = b.RMSNorm("per_layer_proj_norm", u, b.Weight("per_layer_proj_norm.weight", 1, n), c.RMSEps)
	return b.Scale("per_layer", b.Add("per_layer_sum", t, u), 1/root(2))
}

// sharedAttention is attention of the rows of x over keys and values of the layer's own, or
// of another layer's.
func (k block) sharedAttention(x model.ID) model.ID {
	q := headsNormed(k, "q", k.queries(x))
	if k.KVOf != nil {
		return k.attendTo(q, *k.KVOf)
	}
	key := k.keys(x)
	value := key
	if k.b.Has(k.name("attn_v.weight")) {
		value = k.values(x)
	}
	value = k.b.HeadNorm(k.name("attn_v_norm"), value, k.HeadDimV, k.RMSEps)
	return k.attend(q, headsNormed(k, "k", key), value)
}
