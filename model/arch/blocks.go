package arch

import "eclat/model"

// The three blocks of dense families. Between them they differ in how queries and keys
// are prepared, which a family gives as a prepare.

// prepare makes what attention reads of the queries, part "q", or the keys, part "k".
type prepare func(k block, part string, x model.ID) model.ID

// turned is RoPE alone.
func turned(k block, part string, x model.ID) model.ID {
	if part == "q" {
		return k.turnQueries(x)
	}
	return k.turn("k_rope", x)
}

// headsNormed norms each head first, by one weight of a head.
func headsNormed(k block, part string, x model.ID) model.ID {
	return turned(k, part, k.headNorm("attn_"+part+"_norm", x))
}

// rowsNormed norms whole rows first.
func rowsNormed(k block, part string, x model.ID) model.ID {
	return turned(k, part, k.norm("attn_"+part+"_norm", x))
}

// normedLast norms each head after RoPE.
func normedLast(k block, part string, x model.ID) model.ID {
	return k.headNorm("attn_"+part+"_norm", turned(k, part, x))
}

// preNorm builds llama's block, with the norm before the feed-forward layer called
// ffnNorm.
func preNorm(ffnNorm string, p prepare) model.BuildFunc {
	return stacked(func(k block, c *model.Config, x model.ID) model.ID {
		x = k.add("attn", c, x, k.selfAttention(k.norm("attn_norm", x), c.NEmbd, p))
		return k.add("ffn", c, x, k.ffn(k.norm(ffnNorm, x), c.NEmbd))
	})
}

// sandwich builds a block with norms before and after both branches:
//
//	x ─┬─ attn_norm ── attention ── post_attention_norm ── + ─┬─ ffn_norm ── ffn ── post_ffw_norm ── + ── x
//	   └───────────────────────────────────────────────────┘  └──────────────────────────────────────┘
func sandwich(p prepare) model.BuildFunc {
	return stacked(func(k block, c *model.Config, x model.ID) model.ID {
		a := k.selfAttention(k.norm("attn_norm", x), c.NEmbd, p)
		x = k.add("attn", c, x, k.norm("post_attention_norm", a))
		return k.add("ffn", c, x, k.norm("post_ffw_norm", k.ffn(k.norm("ffn_norm", x), c.NEmbd)))
	})
}

// postNorm builds a block with norms after both branches alone:
//
//	x ─┬─ attention ── post_attention_norm ── + ─┬─ ffn ── post_ffw_norm ── + ── x
//	   └──────────────────────────────────────┘  └──────────────────────────┘
func postNorm(p prepare) model.BuildFunc {
	return stacked(func(k block, c *model.Config, x model.ID) model.ID {
		x = k.add("attn", c, x, k.norm("post_attention_norm", k.selfAttention(x, c.NEmbd, p)))
		return k.add("ffn", c, x, k.norm("post_ffw_norm", k.ffn(x, c.NEmbd)))
	})
}

// stacked builds a stage of layers, one on the other.
func stacked(layer layerFunc) model.BuildFunc { return stackedUnder("output_norm", layer) }

// layerFunc adds a layer to the residual stream x.
type layerFunc func(k block, c *model.Config, x model.ID) model.ID

// stackedUnder is stacked under a final norm whose weight has the name norm.weight.
func stackedUnder(norm string, layer layerFunc) model.BuildFunc {
	return func(b *model.Builder, c *model.Config, st model.Stage) model.ID {
		x := begin(b, c, st)
		for l := st.First; l < st.End && !b.Failed(); l++ {
			x = layer(block{b, l, c.At(l)}, c, x)
		}
		return end(norm, b, c, st, x)
	}
}

// add adds a branch of the layer, attn or ffn, to the residual stream.
func (k block) add(branch string, c *model.Config, x, y model.ID) model.ID {
	return k.b.Add(k.name(branch+"_residual"), x, k.b.Scale(k.name(branch+"_scaled"), y, factor(c.ResidualScale)))
}

// selfAttention is attention of the rows of x among each other, through attn_output:
// (n, n_embd).
func (k block) selfAttention(x model.ID, nEmbd int, p prepare) model.ID {
	return k.linear("attn_output", k.heads(x, p), nEmbd)
}

// heads is what selfAttention's heads make of x, before attn_output.
func (k block) heads(x model.ID, p prepare) model.ID {
	q := p(k, "q", k.queries(x))
	key := p(k, "k", k.keys(x))
	return k.attend(q, key, k.values(x))
}

// queries, keys and values are the projections of x by attn_q, attn_k and attn_v, or by
// their rows of attn_qkv.
func (k block) queries(x model.ID) model.ID { return k.projection("attn_q", x, 0, k.NHead*k.HeadDimK) }

func (k block) keys(x model.ID) model.ID {
	return k.projection("attn_k", x, k.NHead*k.HeadDimK, k.NHeadKV*k.HeadDimK)
}

func (k block) values(x model.ID) model.ID {
	return k.projection("attn_v", x, (k.NHead+k.NHeadKV)*k.HeadDimK, k.NHeadKV*k.HeadDimV)
}

func (k block) projection(part string, x model.ID, first, n int) model.ID {
	if !k.b.Has(k.name("attn_qkv.weight")) {
		return k.linear(part, x, n)
	}
	rows := (k.NHead+k.NHeadKV)*k.HeadDimK + k.NHeadKV*k.HeadDimV
	return k.rowsOf("attn_qkv", part, x, rows, first, n)
}

// rowsOf is a projection of x by n of the rows of WHOLE.weight, from row first on, with
// their part of WHOLE.bias or with PART.bias, where the file has the one or the other.
func (k block) rowsOf(whole, part string, x model.ID, rows, first, n int) model.ID {
	b := k.b
	y := b.MatMul(k.name(part), b.RowsOf(k.name(whole+".weight"), rows, b.Cols(x), first, n), x)
	y = k.scaled(whole, part, y)
	if bias := k.name(whole + ".bias"); b.Has(bias) {
		return b.Add(k.name(part+"+bias"), y, b.ElementsOf(bias, rows, first, n))
	}
	if bias := k.name(part + ".bias"); b.Has(bias) {
		return b.Add(k.name(part+"+bias"), y, b.Weight(bias, 1, n))
	}
	return y
}
