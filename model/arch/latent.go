package arch

import (
	"math"

	"eclat/model"
	"eclat/model/numerics"
)

// Latent attention, of deepseek2 and mistral4 (DeepSeek-V2, section 2.1). Keys and values of
// all heads come of one latent c of kv_lora elements, and of one rotary part pe that all
// heads share; a head's query has a part for either:
//
//	x ─┬─ attn_q_a ── attn_q_a_norm ── attn_q_b ─┬─ q_nope     (or attn_q at once)
//	   │                                         └─ q_pe ── rope
//	   └─ attn_kv_a_mqa ─┬─ c ── attn_kv_a_norm
//	                     └─ pe ── rope
//
// Files have what leads from c to the heads in one of two forms. With attn_kv_b, c becomes
// each head's key and value, which memory keeps:
//
//	attn_kv_b·c ─┬─ k_nope ── join pe ── keys
//	             └─ values
//
// With attn_k_b and attn_v_b memory keeps [c, pe], the key of one head for all whose first
// kv_lora elements are its value. Queries are carried to c, and answers from it:
//
//	q_nope ── attn_k_b ── join q_pe ── attention over [c, pe] ── attn_v_b
//
// attention.temperature_scale warms whole queries (mistral3 has the formula), by steps of
// attention.temperature_length positions.

// latent reads what the families with latent attention share; yarn is rope's factor of the
// family, of ln(factor) and rope.scaling.yarn_log_multiplier as it is meant.
func (r *reader) latent(yarn func(ln, m float64) float64) model.Config {
	c := r.transformer()
	k := model.Latent{Dim: r.size("attention.kv_lora_rank", maxWidth), Absorbed: r.file.Tensor(blk(0, "attn_k_b.weight")) != nil}
	key, value, heads := c.HeadDimK, c.HeadDimV, c.NHead
	if k.Absorbed {
		key, value = r.size("attention.key_length_mla", maxWidth), r.size("attention.value_length_mla", maxWidth)
		heads = 1
		if want := k.Dim + c.Rope.Dims; r.err == nil && (c.HeadDimK != want || c.HeadDimV != k.Dim) {
			r.fail("attention.key_length", "keys of %d and values of %d elements, but a latent of %d and %d rotary ones make %d and %d",
				c.HeadDimK, c.HeadDimV, k.Dim, c.Rope.Dims, want, k.Dim)
		}
	}
	k.DimK, k.DimV = key, value
	switch {
	case r.err != nil:
		return c
	case key <= c.Rope.Dims:
		r.fail("rope.dimension_count", "%d rotary dimensions leave nothing of heads of %d", c.Rope.Dims, key)
	case c.NHeadKV != heads:
		r.fail("attention.head_count_kv", "%d, but the tensors are of %d", c.NHeadKV, heads)
	case heads == 1 && c.NHead > model.MaxHeads:
		r.unsupported("attention.head_count", "%d heads are more than %d, the most with attn_k_b", c.NHead, model.MaxHeads)
	}
	if r.has("attention.q_lora_rank") {
		k.DimQ = r.size("attention.q_lora_rank", maxWidth)
	}
	ln := numerics.Log(c.Rope.Factor)
	m := r.float("rope.scaling.yarn_log_multiplier", 0) / 0.1 // files have a tenth of it
	if c.Rope.Scaling == "yarn" && c.Rope.ExtFactor != 0 && c.Rope.Factor > 1 {
		by := yarn(ln, m)
		c.Rope.AttnScale = r.float("rope.scaling.attn_factor", 1) * r.float("rope.scaling.yarn_attn_factor", 1) * by
		by *= 1 + float64(0.1*m*ln)
		c.AttnScale = float32(by * by / math.Sqrt(float64(key)))
	} else {
		c.AttnScale = float32(1 / math.Sqrt(float64(key)))
	}
	const warm = "attention.temperature_scale"
	if c.Rope.Warm = r.warmth(warm); c.Rope.Warm != 0 {
		c.Rope.Every = r.size("attention.temperature_length", maxCtx)
		if nope := key - c.Rope.Dims; r.err == nil && nope%2 != 0 {
			r.unsupported(warm, "with %d elements that are not turned, an odd number, is not supported", nope)
		}
	}
	c.Latent = &k
	return c
}

// latentAttention is attention of the rows of x among each other, through attn_output:
// (n, n_embd).
func (k block) latentAttention(x model.ID, nEmbd int) model.ID {
	b, m, rot := k.b, k.Latent, k.Rope.Dims
	nope := m.DimK - rot
	pe, q := k.latentQueries(x)
	all := k.linear("attn_kv_a_mqa", x, m.Dim+rot)
	c := k.norm("attn_kv_a_norm", b.Slice(k.name("kv_c"), all, 0, m.Dim, m.Dim+rot))
	shared := b.RoPE(k.name("k_rope"), b.Slice(k.name("k_pe"), all, m.Dim, rot, m.Dim+rot), rot, b.Rope(k.Rope.Table()))
	var y model.ID
	if m.Absorbed {
		q = b.MatMulHeads(k.name("attn_k_b"), b.Experts(k.name("attn_k_b.weight"), k.NHead, m.Dim, nope), q, k.NHead)
		q = b.Join(k.name("q"), q, pe, k.NHead, rot)
		keys := k.keyCache(k.l)
		b.Store(keys, b.Join(k.name("k"), c, shared, 1, rot))
		y = b.LatentAttention(k.name("attention"), q, keys, k.NHead, 1, m.Dim, k.AttnScale)
		y = b.MatMulHeads(k.name("attn_v_b"), b.Experts(k.name("attn_v_b.weight"), k.NHead, m.DimV, m.Dim), y, k.NHead)
	} else {
		q = b.Join(k.name("q"), q, pe, k.NHead, rot)
		kv := k.linear("attn_kv_b", c, k.NHead*(nope+m.DimV))
		key := b.Join(k.name("k"), b.Slice(k.name("k_nope"), kv, 0, nope, nope+m.DimV), shared, k.NHead, rot)
		y = k.attend(q, key, b.Slice(k.name("v"), kv, nope, m.DimV, nope+m.DimV))
	}
	return k.linear("attn_output", y, nEmbd)
}

// latentQueries makes the queries' rotary parts (n, heads·rot), turned, and the others
// (n, heads·nope).
func (k block) latentQueries(x model.ID) (pe, nope model.ID) {
	b, m, rot := k.b, k.Latent, k.Rope.Dims
	name := "attn_q"
	if b.Has(k.name("attn_q_a.weight")) || m.DimQ > 0 && !b.Has(k.name("attn_q.weight")) {
		name, x = "attn_q_b", k.norm("attn_q_a_norm", k.linear("attn_q_a", x, max(1, m.DimQ)))
	}
	q := k.linear(name, x, k.NHead*m.DimK)
	pe = b.Slice(k.name("q_pe"), q, m.DimK-rot, rot, m.DimK)
	nope = b.Slice(k.name("q_nope"), q, 0, m.DimK-rot, m.DimK)
	turn := k.Rope.Table()
	turn.Warm, turn.Every = k.Rope.Warm, k.Rope.Every
	pe = b.RoPE(k.name("q_rope"), pe, rot, b.Rope(turn))
	if turn.Warm != 0 { // as much as what is turned, by an angle of nothing
		still := model.Rope{Freq: make([]float64, (m.DimK-rot)/2), Scale: 1, Warm: turn.Warm, Every: turn.Every}
		nope = b.RoPE(k.name("q_warm"), nope, m.DimK-rot, b.Rope(still))
	}
	return pe, nope
}
