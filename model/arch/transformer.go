package arch

import (
	"fmt"
	"math"
	"strings"

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
	if name := strings.TrimSuffix(output, "weight") + "scale"; b.Has(name) {
		x = b.Mul("logits*scale", x, b.Weight(name, 1, 1))
	}
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
	y = k.scaled(part, part, y)
	if bias := k.name(part + ".bias"); k.b.Has(bias) {
		y = k.b.Add(k.name(part+"+bias"), y, k.b.Weight(bias, 1, rows))
	}
	return y
}

// scaled is y times the one number of WHOLE.scale, where the file has it: what a weight's
// own type could not hold. (ffn_gate_inp.scale is of what the router reads.)
func (k block) scaled(whole, part string, y model.ID) model.ID {
	name := k.name(whole + ".scale")
	if !k.b.Has(name) || whole == "ffn_gate_inp" {
		return y
	}
	return k.b.Mul(k.name(part+"*scale"), y, k.b.Weight(name, 1, 1))
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
	keys = k.keyCache(l)
	return keys, k.b.Values(k.cache(blk(l, "v_cache"), k.NHeadKV*k.HeadDimV), k.HeadDimV)
}

func (k block) keyCache(l int) model.ID {
	return k.b.Keys(k.cache(blk(l, "k_cache"), k.NHeadKV*k.HeadDimK), k.HeadDimK)
}

// cache is memory of cols elements for each position that the layer sees.
func (k block) cache(name string, cols int) model.Memory {
	m := model.Memory{Name: name, Per: model.Position, Cols: cols}
	if k.Window > 0 {
		m.Per, m.Window = model.Window, k.Window
	}
	return m
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

// blk returns the name of a tensor of layer l.
func blk(l int, name string) string { return fmt.Sprintf("blk.%d.%s", l, name) }
