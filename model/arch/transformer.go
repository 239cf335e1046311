package arch

import (
	"fmt"
	"math"

	"eclat/loader/quant"
	"eclat/model"
)

// transformer reads what the dense decoders share and checks it against the
// tensors' shapes.
func (r *reader) transformer() model.Config {
	c := r.common()
	b := &c.Block
	b.NFF = r.largest("feed_forward_length", maxWidth, 0)
	b.NHead = r.size("attention.head_count", maxHeads)
	b.NHeadKV = r.largest("attention.head_count_kv", maxHeads, b.NHead)
	b.RMSEps = r.epsilon("attention.layer_norm_rms_epsilon")
	if r.err == nil && b.NHead%b.NHeadKV != 0 {
		r.fail("attention.head_count_kv", "%d query heads cannot share %d key heads evenly", b.NHead, b.NHeadKV)
	}
	// Without key_length the head size is what the tensors say, never n_embd / n_head.
	first := 0 // layer with attention
	for r.varied && first < c.NLayer-1 && r.file.Tensor(blk(first, "attn_q.weight")) == nil {
		first++
	}
	both := headDim(r.file, blk(first, "attn_qkv.weight"), b.NHead+2*b.NHeadKV)
	b.HeadDimK = r.sizeOr("attention.key_length", maxWidth, max(both, headDim(r.file, blk(first, "attn_q.weight"), b.NHead)))
	b.HeadDimV = r.sizeOr("attention.value_length", maxWidth, max(both, headDim(r.file, blk(first, "attn_v.weight"), b.NHeadKV)))
	if r.err == nil && (b.HeadDimK == 0 || b.HeadDimV == 0) {
		r.fail("attention.key_length", "the head size is neither in the metadata nor can it be told from attn_q and attn_v")
	}
	if r.err == nil {
		b.AttnScale = float32(1 / math.Sqrt(float64(b.HeadDimK)))
		b.Rope = r.rope(b.HeadDimK, c.NCtx)
	}
	return c
}

// epsilon reads what norms add to the mean of squares.
func (r *reader) epsilon(name string) float32 {
	eps := r.float(name, 1e-5)
	if r.err == nil && (eps < 0 || eps > 1) {
		r.fail(name, "%g is not from 0 to 1", eps)
	}
	return float32(eps)
}

// halves is transformer with rope's pairs half a rotation apart.
func (r *reader) halves() model.Config {
	c := r.transformer()
	c.Rope.Halves = true
	return c
}

// common reads what every model has.
func (r *reader) common() model.Config {
	c := model.Config{
		Architecture: r.arch,
		NLayer:       r.size("block_count", maxLayers),
		NEmbd:        r.size("embedding_length", maxWidth),
		NCtx:         r.size("context_length", maxCtx),
		NVocab:       1,
	}
	if v, ok := r.file.Get("general.name"); ok {
		c.Name, _ = v.Str()
	}
	if e := r.file.Tensor("token_embd.weight"); e != nil {
		c.NVocab = e.Rows()
		if r.err == nil && c.NVocab > maxVocab {
			r.err = r.file.Errorf(e.Name, "a vocabulary of %d tokens, the limit is %d", c.NVocab, maxVocab)
		}
		if v, ok := r.file.Get("tokenizer.ggml.tokens"); ok && r.err == nil && v.Len != c.NVocab {
			r.err = r.file.Errorf("tokenizer.ggml.tokens", "%d tokens, but token_embd.weight has %d rows", v.Len, c.NVocab)
		}
	}
	if !r.truth("attention.causal", true) {
		r.unsupported("attention.causal", "a model whose tokens see those after them is not supported")
	}
	c.Pooling = r.pooling()
	return c
}

// begin starts a stage: the token embedding, or the rows of the stage before.
func begin(b *model.Builder, c *model.Config, st model.Stage) model.ID {
	if st.Embed {
		x := b.Embed("embd", b.Weight("token_embd.weight", c.NVocab, c.NEmbd))
		return b.Scale("embd_scaled", x, factor(c.EmbdScale))
	}
	return b.Receive("hidden", c.NEmbd)
}

// end finishes a stage: with the head the final norm, by the weight NAME.weight, which is
// all where normed rows are wanted, and the logits of the wanted rows, scaled and capped where the model does so. A file without
// output matrix has it tied to the embedding.
func end(name string, b *model.Builder, c *model.Config, st model.Stage, x model.ID) model.ID {
	if !st.Head {
		return x
	}
	output := "output.weight"
	if !b.Has(output) {
		output = "token_embd.weight"
	}
	x = b.Gather("last_hidden", x)
	x = norm(b, &c.Block, name, x)
	if st.Normed {
		return x
	}
	x = b.MatMul("logits", b.Weight(output, c.NVocab, c.NEmbd), x)
	if bias := "output.bias"; b.Has(bias) {
		x = b.Add("logits+bias", x, b.Weight(bias, 1, c.NVocab))
	}
	x = b.Scale("logits_scaled", x, factor(c.LogitScale))
	if c.LogitCap != 0 {
		x = b.Cap("logits_capped", x, c.LogitCap)
	}
	return x
}

// norm is the norm of x, RMSNorm or LayerNorm, by the weight NAME.weight, with NAME.bias
// where the file has it.
func norm(b *model.Builder, k *model.Block, name string, x model.ID) model.ID {
	w := b.Weight(name+".weight", 1, b.Cols(x))
	if !k.LayerNorm {
		return b.RMSNorm(name, x, w, k.RMSEps)
	}
	x = b.LayerNorm(name, x, w, k.RMSEps)
	if bias := name + ".bias"; b.Has(bias) {
		x = b.Add(name+"+bias", x, b.Weight(bias, 1, b.Cols(x)))
	}
	return x
}

// factor is f, or 1 where there is none.
func factor(f float32) float32 {
	if f == 0 {
		return 1
	}
	return f
}

// block is a layer on its way into a plan: the parts that families share.
type block struct {
	b *model.Builder
	l int // layer
	*model.Block
}

// name returns the name of a tensor of the layer.
func (k block) name(part string) string { return blk(k.l, part) }

// norm is the layer's norm of x by the weight PART.weight.
func (k block) norm(part string, x model.ID) model.ID { return norm(k.b, k.Block, k.name(part), x) }

// headNorm is RMSNorm of every head of x by the one weight PART.weight (1, head_dim_k).
func (k block) headNorm(part string, x model.ID) model.ID {
	return k.b.RMSNorm(k.name(part), x, k.b.Weight(k.name(part+".weight"), 1, k.HeadDimK), k.RMSEps)
}

// linear is a projection of x to rows elements, with its bias where the file has one.
func (k block) linear(part string, x model.ID, rows int) model.ID {
	y := k.b.MatMul(k.name(part), k.b.Weight(k.name(part+".weight"), rows, k.b.Cols(x)), x)
	if bias := k.name(part + ".bias"); k.b.Has(bias) {
		y = k.b.Add(k.name(part+"+bias"), y, k.b.Weight(bias, 1, rows))
	}
	return y
}

// turn is RoPE of the heads of x, in a layer that has it.
func (k block) turn(part string, x model.ID) model.ID {
	if k.NoRope {
		return x
	}
	return k.b.RoPE(k.name(part), x, k.HeadDimK, k.b.Rope(k.Rope.Table()))
}

// turnQueries is turn of queries, which may grow warmer with the position.
func (k block) turnQueries(x model.ID) model.ID {
	if k.NoRope {
		return x
	}
	t := k.Rope.Table()
	t.Warm, t.Every = k.Rope.Warm, k.Rope.Every
	return k.b.RoPE(k.name("q_rope"), x, k.HeadDimK, k.b.Rope(t))
}

// attend stores k and v (n, heads·dim) and attends from q over all that the layer sees.
func (k block) attend(q, key, value model.ID) model.ID {
	keys, values := k.caches(k.l)
	k.b.Store(keys, key)
	k.b.Store(values, value)
	return k.attendTo(q, k.l)
}

// caches declares the memory of keys and of values of layer l, which has as many and as
// large ones as this.
func (k block) caches(l int) (keys, values model.ID) {
	m := model.Memory{Per: model.Position, Type: quant.F16}
	if k.Window > 0 {
		m.Per, m.Window = model.Window, k.Window
	}
	m.Name, m.Cols = blk(l, "k_cache"), k.NHeadKV*k.HeadDimK
	keys = k.b.Memory(m)
	m.Name, m.Cols = blk(l, "v_cache"), k.NHeadKV*k.HeadDimV
	return keys, k.b.Memory(m)
}

// attendTo attends from q over what layer l has stored.
func (k block) attendTo(q model.ID, l int) model.ID {
	keys, values := k.caches(l)
	sinks := model.None
	if name := k.name("attn_sinks.weight"); k.b.Has(name) {
		sinks = k.b.Weight(name, 1, k.NHead)
	}
	return k.b.CappedAttention(k.name("attention"), q, keys, values, sinks, k.NHead, k.NHeadKV, k.AttnScale, k.AttnCap)
}

// ffn is the feed-forward layer, dense or of experts: (n, n_embd).
func (k block) ffn(x model.ID, nEmbd int) model.ID {
	if k.Experts.N > 0 {
		return k.mixture(x, nEmbd)
	}
	return k.dense("", x, k.NFF, nEmbd)
}

// dense is the gated feed-forward layer of width nFF, silu(gate·x)·(up·x), or gelu, through
// down, whose weights' names end with a suffix: (n, n_embd). Where there is no ffn_gate and
// ffn_up has twice the rows, the first half of them are it.
func (k block) dense(suffix string, x model.ID, nFF, nEmbd int) model.ID {
	gateName, upName := "ffn_gate"+suffix, "ffn_up"+suffix
	var gate, up model.ID
	if k.b.Has(k.name(gateName+".weight")) || !k.b.HasRows(k.name(upName+".weight"), 2*nFF) {
		gate, up = k.linear(gateName, x, nFF), k.linear(upName, x, nFF)
	} else {
		gate, up = k.rowsOf(upName, gateName, x, 2*nFF, 0, nFF), k.rowsOf(upName, upName, x, 2*nFF, nFF, nFF)
	}
	var h model.ID
	if k.GELU {
		h = k.b.Mul(k.name("geglu"+suffix), k.b.Act(k.name("gelu"+suffix), gate, model.GELU), up)
	} else {
		h = k.b.SwiGLU(k.name("swiglu"+suffix), gate, up)
	}
	return k.linear("ffn_down"+suffix, h, nEmbd)
}

// blk returns the name of a tensor of layer l.
func blk(l int, name string) string { return fmt.Sprintf("blk.%d.%s", l, name) }
