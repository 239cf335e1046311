package arch

import (
	"math"

	"eclat/model"
)

// qwen35 is the hybrid of Qwen 3.5 and later: three layers of linear attention, then one
// of full attention with a gate. Both mix, and are followed by a gated feed-forward layer:
//
//	x ─┬─ attn_norm ── mix ── + ─┬─ post_attention_norm ── ffn ── + ── x
//	   └──────────────────────┘  └────────────────────────────────┘
//
// Full, every head's query and gate side by side in attn_q; rope turns halves:
//
//	─┬─ attn_q ─┬─ query ── attn_q_norm ── rope ──┬─ attention ── · ── attn_output
//	 │          └─ gate ── sigmoid ───────────────┼───────────────┘
//	 ├─ attn_k ── attn_k_norm ── rope ────────────┤   (kept K, V)
//	 └─ attn_v ───────────────────────────────────┘
//
// Linear, the gated delta rule (Yang et al. 2024), key heads shared in turn:
//
//	─┬─ attn_qkv ── ssm_conv1d, silu ── q, k to length 1 ─┬─ delta rule ── ssm_norm ── · ── ssm_out
//	 ├─ ssm_alpha ── + ssm_dt.bias, softplus ─────────────┤   (kept state)            │
//	 ├─ ssm_beta ── sigmoid ──────────────────────────────┘                           │
//	 └─ attn_gate ── silu ────────────────────────────────────────────────────────────┘
var qwen35 = architecture{
	name: "qwen35",
	read: func(r *reader) model.Config {
		c := r.transformer()
		r.drafts(&c)
		c.Rope.Halves = true
		r.textSections(c.Rope.Dims / 2)
		r.interleave(&c)
		return c
	},
	build: func(b *model.Builder, c *model.Config, st model.Stage) model.ID {
		x := begin(b, c, st)
		for l := st.First; l < st.End && !b.Failed(); l++ {
			k := block{b, l, c.At(l)}
			h := k.norm("attn_norm", x)
			if k.State != nil {
				h = k.deltaNet(h, c.NEmbd)
			} else {
				h = k.gatedAttention(h, c.NEmbd)
			}
			x = b.Add(k.name("attn_residual"), x, h)
			x = b.Add(k.name("ffn_residual"), x, k.ffn(k.norm("post_attention_norm", x), c.NEmbd))
		}
		return end(b, c, st, x)
	},
}

// interleave makes the layers linear but for every full_attention_interval-th, or those
// that attention.recurrent_layers says.
func (r *reader) interleave(c *model.Config) {
	s, taps := r.state()
	every := r.sizeOr("full_attention_interval", maxLayers, 4)
	linear := make([]bool, c.NLayer)
	for l := range linear {
		linear[l] = (l+1)%every != 0
	}
	if v, ok := r.file.Get(r.key("attention.recurrent_layers")); ok {
		list, ok := v.Bools()
		if !ok || len(list) < c.NLayer {
			r.fail("attention.recurrent_layers", "not a truth value for each of %d layers", c.NLayer)
			return
		}
		copy(linear, list)
	}
	for l := range linear {
		k := c.Block
		if linear[l] {
			k.NHeadKV, k.State, k.Taps = 0, &s, taps
		}
		c.Blocks = append(c.Blocks, k)
	}
}

// textSections refuses sections of positions by which a text's tokens would not be turned
// by their place alone. Pair i belongs to sector s = i mod Σsections, and that to axis
// s mod 3 while it is below three of the axis' sections; else to one that is 0 in a text.
func (r *reader) textSections(pairs int) {
	const key = "rope.dimension_sections"
	v, ok := r.file.Get(r.key(key))
	if !ok || r.err != nil {
		return
	}
	u, ok := v.Uints()
	if !ok || len(u) < 3 || len(u) > 4 {
		r.fail(key, "not three or four numbers")
		return
	}
	var sum uint64
	for _, n := range u {
		if n > maxWidth {
			r.fail(key, "%d is above %d", n, maxWidth)
			return
		}
		sum += n
	}
	for i := range uint64(pairs) {
		if sum == 0 || i%sum >= 3*u[i%sum%3] {
			r.unsupported(key, "%v leave pairs of the %d that no text turns", u, pairs)
			return
		}
	}
}

// gatedAttention is attention whose output each head's gate lets through.
func (k block) gatedAttention(h model.ID, nEmbd int) model.ID {
	b, d := k.b, k.HeadDimK
	both := k.linear("attn_q", h, 2*k.NHead*d)
	q := b.Slice(k.name("q"), both, 0, d, 2*d)
	q = k.turn("q_rope", k.headNorm("attn_q_norm", q))
	key := k.turn("k_rope", k.headNorm("attn_k_norm", k.linear("attn_k", h, k.NHeadKV*d)))
	a := k.attend(q, key, k.linear("attn_v", h, k.NHeadKV*k.HeadDimV))
	gate := b.Act(k.name("attn_gate"), b.Slice(k.name("gate"), both, d, d, 2*d), model.Sigmoid)
	return k.linear("attn_output", b.Mul(k.name("attn_gated"), a, gate), nEmbd)
}

// deltaNet is linear attention by the gated delta rule.
func (k block) deltaNet(h model.ID, nEmbd int) model.ID {
	b, s := k.b, *k.State
	qkv := k.conv("ssm_conv1d", k.linear("attn_qkv", h, 2*s.NHeadK*s.DimK+s.NHead*s.DimV), true)
	qkv = b.L2Norm(k.name("qk_norm"), qkv, s.DimK, 2*s.NHeadK, k.RMSEps)
	beta := b.Act(k.name("beta"), k.linear("ssm_beta", h, s.NHead), model.Sigmoid)
	dt := k.step(k.linear("ssm_alpha", h, s.NHead))
	scale := float32(1 / math.Sqrt(float64(s.DimK)))
	y := b.DeltaRule(k.name("delta_rule"), qkv, dt, b.Vector(k.name("ssm_a"), s.NHead), beta, k.slot("ssm_state", s.Len()), s, scale, true)
	y = b.RMSNorm(k.name("ssm_norm"), y, b.Weight(k.name("ssm_norm.weight"), 1, s.DimV), k.RMSEps)
	y = b.SwiGLU(k.name("gated"), k.linear("attn_gate", h, s.NHead*s.DimV), y)
	return k.linear("ssm_out", y, nEmbd)
}
