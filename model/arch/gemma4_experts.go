package arch

import (
	"math"

	"eclat/model"
)

// In the model of experts, these lie beside the dense layer, and who chooses them reads the
// stream by a norm of its own, over √E. An expert's answer has a factor, ffn_down_exps.scale:
//
//	x ─┬─ ffn_norm ── ffn ── post_ffw_norm_1 ───────────────── + ── post_ffw_norm ── + ── x
//	   ├─ pre_ffw_norm_2 ──────── experts ── post_ffw_norm_2 ──┘                     │
//	   ├─ norm by ffn_gate_inp.scale, 1/√E ┘ (their choice)                          │
//	   └─────────────────────────────────────────────────────────────────────────────┘

// gemma4FFN is the dense layer and the experts beside it, before post_ffw_norm.
func (k block) gemma4FFN(x model.ID, nEmbd int) model.ID {
	y := k.dense("", k.norm("ffn_norm", x), k.NFF, nEmbd)
	if k.Experts.N == 0 {
		return y
	}
	return k.b.Add(k.name("ffn+experts"), k.norm("post_ffw_norm_1", y), k.norm("post_ffw_norm_2", k.gemma4Experts(x, nEmbd)))
}

// gemma4Experts is what the experts of the rows of x make of them, not yet normed.
func (k block) gemma4Experts(x model.ID, nEmbd int) model.ID {
	r := k.b.RMSNorm(k.name("ffn_gate_inp_norm"), x, k.b.Weight(k.name("ffn_gate_inp.scale"), 1, nEmbd), k.RMSEps)
	r = k.b.Scale(k.name("ffn_gate_inp_scaled"), r, float32(1/math.Sqrt(float64(nEmbd))))
	return k.routed(r, k.norm("pre_ffw_norm_2", x), nEmbd)
}
