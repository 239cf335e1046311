package arch

import "eclat/model"

// ffn is the feed-forward layer, dense or of experts: (n, n_embd).
func (k block) ffn(x model.ID, nEmbd int) model.ID {
	if k.Experts.N > 0 {
		return k.mixture(x, nEmbd)
	}
	return k.dense("", x, k.NFF, nEmbd)
}

// dense is the feed-forward layer of width nFF through down, whose weights' names end with
// a suffix: (n, n_embd).
func (k block) dense(suffix string, x model.ID, nFF, nEmbd int) model.ID {
	return k.linear("ffn_down"+suffix, k.hidden(suffix, x, nFF), nEmbd)
}

// hidden is what dense gives to down: (n, nFF). Where there is no ffn_gate and ffn_up has
// twice the rows, the first half of them are it.
func (k block) hidden(suffix string, x model.ID, nFF int) model.ID {
	gate, up := "ffn_gate"+suffix, "ffn_up"+suffix
	switch {
	case k.Ungated:
		return k.activated(suffix, k.linear(up, x, nFF))
	case k.b.Has(k.name(gate+".weight")) || !k.b.HasRows(k.name(up+".weight"), 2*nFF):
		return k.gated(suffix, k.linear(gate, x, nFF), k.linear(up, x, nFF))
	}
	return k.gated(suffix, k.rowsOf(up, gate, x, 2*nFF, 0, nFF), k.rowsOf(up, up, x, 2*nFF, nFF, nFF))
}

// activated is act(x), for a layer without a gate.
func (k block) activated(suffix string, x model.ID) model.ID {
	return k.b.Act(k.name("ffn_act"+suffix), x, k.Act)
}

// gated is act(gate)·up.
func (k block) gated(suffix string, gate, up model.ID) model.ID {
	switch k.Act {
	case model.SiLU:
		return k.b.SwiGLU(k.name("swiglu"+suffix), gate, up)
	case model.ClampedGate:
		up = k.b.Act(k.name("clamped_up"+suffix), up, model.ClampedUp)
	}
	return k.b.Mul(k.name("ffn_gated"+suffix), k.activated(suffix, gate), up)
}
