package arch

import "eclat/model"

// Experts, in the families that have them. x is the normed input of the layer:
//
//	x ─┬─ ffn_gate_inp ── route ─────────────────────────────────┐
//	   ├─ ffn_gate_exps ─┬─ swiglu ── ffn_down_exps ── combine ──┴─ + ── y
//	   ├─ ffn_up_exps ───┘  (each of the experts that a row goes to) │
//	   └─ ffn_{gate,up,down}_shexp, which all rows go to ────────────┘
//
// The shared expert may have a gate, the sigmoid of ffn_gate_inp_shexp·x: it is one
// expert of one. A family says what it makes of the logits; the number of experts, a
// scale and groups are keys in all of them.

// experts reads a mixture of experts of width nFF; how says what no key does.
func (r *reader) experts(nFF int, how model.Routing) model.Experts {
	e := model.Experts{N: r.size("expert_count", model.MaxExperts), NFF: nFF, Routing: how}
	e.Used = r.size("expert_used_count", e.N)
	e.Scale = float32(r.float("expert_weights_scale", 1))
	if e.Scale == 0 {
		e.Scale = 1
	}
	e.Groups, e.GroupsUsed = 1, 1
	if r.count("expert_group_count") > 1 {
		e.Groups = r.size("expert_group_count", e.N)
		if r.err == nil && (e.N%e.Groups != 0 || e.N/e.Groups < 2) {
			r.fail("expert_group_count", "%d groups of %d experts are not groups of two or more, all alike", e.Groups, e.N)
		}
		e.GroupsUsed = r.size("expert_group_used_count", e.Groups)
	}
	switch {
	case r.err != nil:
	case !(e.Scale >= 0x1p-20 && e.Scale <= 0x1p20):
		r.fail("expert_weights_scale", "%g is not from 2^-20 to 2^20", e.Scale)
	case e.Used > e.GroupsUsed*(e.N/e.Groups):
		r.fail("expert_group_used_count", "%d experts used, but %d groups have %d", e.Used, e.GroupsUsed, e.GroupsUsed*(e.N/e.Groups))
	case e.Used*nFF > maxWidth:
		r.fail("expert_used_count", "%d experts of a width of %d are more than %d together", e.Used, nFF, maxWidth)
	}
	return e
}

// gating reads what makes weights of logits, or def where the key is absent.
func (r *reader) gating(def model.Gating) model.Gating {
	switch n := r.count("expert_gating_func"); n {
	case 0:
		return def
	case 1:
		return model.SoftmaxAll
	case 2:
		return model.SigmoidEach
	default:
		r.unsupported("expert_gating_func", "%d is not supported; supported are 1 (softmax) and 2 (sigmoid)", n)
		return def
	}
}

// expertWidth is the width of an expert where it has a key; without it the experts that a
// row goes to are together as wide as a dense layer.
func (r *reader) expertWidth(nFF int) int {
	return r.sizeOr("expert_feed_forward_length", maxWidth, max(1, nFF/int(max(1, min(r.count("expert_used_count"), model.MaxExperts)))))
}

// sharedWidth is the width of the experts that all rows go to, each of one width.
func (r *reader) sharedWidth(width int) int {
	n := width * int(min(r.count("expert_shared_count"), model.MaxExperts))
	if n > maxWidth {
		r.fail("expert_shared_count", "shared experts of %d elements, the limit is %d", n, maxWidth)
	}
	return n
}

// denseAt makes the layers that dense says dense.
func denseAt(c *model.Config, dense func(l int) bool) {
	some := false
	for l := range c.NLayer {
		some = some || dense(l)
	}
	if !some {
		return // all are alike
	}
	eachLayer(c, func(l int, k *model.Block) {
		if dense(l) {
			k.Experts = model.Experts{}
		}
	})
}

// mixture is a layer of experts: (n, n_embd).
func (k block) mixture(x model.ID, nEmbd int) model.ID {
	in, nOut := x, nEmbd
	if n := k.Experts.NLatent; n > 0 {
		in, nOut = k.linear("ffn_latent_down", x, n), n
	}
	y := k.routed(x, in, nOut)
	if k.Experts.NLatent > 0 {
		y = k.linear("ffn_latent_up", y, nEmbd)
	}
	if k.Experts.NFFShared > 0 {
		y = k.b.Add(k.name("experts+shared"), y, k.shared(x, nEmbd))
	}
	return y
}

// routed is what a row's experts make of x, (n, nOut), the row's place in router saying
// which they are. What an expert answers may have a factor of its own, in
// ffn_down_exps.scale.
func (k block) routed(router, x model.ID, nOut int) model.ID {
	b, e, bias, scale := k.b, &k.Experts, model.None, model.None
	if name := k.name("exp_probs_b.bias"); b.Has(name) {
		bias = b.Weight(name, 1, e.N)
	}
	if name := k.name("ffn_down_exps.scale"); b.Has(name) {
		scale = b.Weight(name, 1, e.N)
	}
	routes := b.Route(k.name("routes"), k.linear("ffn_gate_inp", router, e.N), bias, e.Routing)
	return b.Combine(k.name("experts"), k.answers(x, routes, nOut), routes, scale)
}

// answers is what each of a row's experts makes of x: (n, used·nOut).
func (k block) answers(x, routes model.ID, nOut int) model.ID {
	b, e := k.b, &k.Experts
	var h model.ID
	if k.Ungated {
		h = k.activated("_exps", k.expert("ffn_up_exps", "ffn_up_exps", x, routes, e.NFF, 0, e.NFF))
	} else {
		gate, up, of, first := "ffn_gate_exps", "ffn_up_exps", e.NFF, 0
		if both := "ffn_gate_up_exps"; b.Has(k.name(both + ".weight")) {
			gate, up, of, first = both, both, 2*e.NFF, e.NFF
		}
		h = k.gated("_exps", k.expert("ffn_gate_exps", gate, x, routes, of, 0, e.NFF), k.expert("ffn_up_exps", up, x, routes, of, first, e.NFF))
	}
	return k.expert("ffn_down_exps", "ffn_down_exps", h, routes, nOut, 0, nOut)
}

// expert is the product of x with rows first … first+m−1 of each row's experts, whose
// matrices PART.weight have `of` rows, and their bias where the file has one. What a
// weight's own type could not hold is in PART.scale, a factor of each expert; that of what
// an expert answers is in its weight (routed).
func (k block) expert(name, part string, x, routes model.ID, of, first, m int) model.ID {
	n, bias := k.Experts.N, model.None
	cols := k.b.Cols(x)
	if part == "ffn_down_exps" {
		cols = k.Experts.NFF
	}
	if b := k.name(part + ".bias"); k.b.Has(b) {
		bias = k.b.Weight(b, n, of)
	}
	scale := k.name(part + ".scale")
	scaled := k.b.Has(scale) && part != "ffn_down_exps"
	if k.b.Has(scale) && bias != model.None {
		k.b.Unsupported("%s: experts with factors and biases are not supported", scale)
	}
	y := k.b.MatMulExperts(k.name(name), k.b.Experts(k.name(part+".weight"), n, of, cols), x, routes, bias, n, first, m)
	if scaled {
		y = k.b.MulExperts(k.name(name+"*scale"), y, k.b.Weight(scale, 1, n), routes)
	}
	return y
}

// shared is the expert that all rows go to, times its gate.
func (k block) shared(x model.ID, nEmbd int) model.ID {
	y := k.dense("_shexp", x, k.Experts.NFFShared, nEmbd)
	if k.Experts.Gated {
		r := k.b.Route(k.name("shared_gate"), k.linear("ffn_gate_inp_shexp", x, 1), model.None,
			model.Routing{Used: 1, Gating: model.SigmoidEach, Scale: 1, Groups: 1, GroupsUsed: 1})
		y = k.b.Combine(k.name("shared"), y, r, model.None)
	}
	return y
}
