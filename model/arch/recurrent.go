package arch

import (
	"eclat/loader/quant"
	"eclat/model"
)

// maxState bounds the elements of a layer's state, 4 bytes each, for one sequence.
const maxState = 1 << 28

// state reads the shape of recurrent layers: heads of dimV elements with a state of
// ssm.state_size rows, which share keys by ssm.group_count.
func (r *reader) state() (s model.State, taps int) {
	s.DimK = r.size("ssm.state_size", maxWidth)
	s.NHead = r.size("ssm.time_step_rank", maxHeads)
	s.NHeadK = r.size("ssm.group_count", maxHeads)
	inner := r.size("ssm.inner_size", maxWidth)
	switch {
	case r.err != nil:
	case s.NHead%s.NHeadK != 0:
		r.fail("ssm.group_count", "%d groups do not divide the %d heads", s.NHeadK, s.NHead)
	case inner%s.NHead != 0:
		r.fail("ssm.inner_size", "%d heads do not divide its %d elements", s.NHead, inner)
	case s.DimK > maxState/inner:
		r.fail("ssm.state_size", "%d heads with states of %d × %d are more than the limit of %d elements", s.NHead, s.DimK, inner/s.NHead, maxState)
	}
	s.DimV = inner / s.NHead
	return s, r.taps("ssm.conv_kernel")
}

// taps reads the rows that a convolution sees.
func (r *reader) taps(name string) int {
	const most = 64
	n := r.size(name, most)
	if r.err == nil && n < 2 {
		r.fail(name, "a convolution of %d rows is none: 2 to %d", n, most)
	}
	return n
}

// slot declares memory of n float32 a sequence.
func (k block) slot(part string, n int) model.ID {
	return k.b.Memory(model.Memory{Name: k.name(part), Per: model.Sequence, Type: quant.F32, Cols: n})
}

// conv is the layer's convolution of x by PART.weight (cols, taps), with PART.bias where
// the file has one, and silu where asked for.
func (k block) conv(part string, x model.ID, silu bool) model.ID {
	cols, bias := k.b.Cols(x), model.None
	if name := k.name(part + ".bias"); k.b.Has(name) {
		bias = k.b.Weight(name, 1, cols)
	}
	w := k.b.Weight(k.name(part+".weight"), cols, k.Taps)
	return k.b.Conv(k.name(part), x, w, k.slot("conv_state", (k.Taps-1)*cols), bias, silu)
}

// step is softplus(x + ssm_dt.bias), how far time goes in each head: (n, heads).
func (k block) step(x model.ID) model.ID {
	x = k.b.Add(k.name("ssm_dt+bias"), x, k.b.Weight(k.name("ssm_dt.bias"), 1, k.State.NHead))
	return k.b.Act(k.name("ssm_dt"), x, model.Softplus)
}

// mamba2 is the mixer of Mamba-2 (Dao and Gu 2024), with the norm before the gate's
// product left to each group of heads:
//
//	ssm_in ─┬─ z ─────────────────────────────────────────── silu ─┐
//	        ├─ x, B, C ── ssm_conv1d, silu ─┬─ scan (ssm_a, ssm_d) ─ · ── ssm_norm ── ssm_out
//	        └─ dt ── + bias, softplus ──────┘   (kept state)
//
// Beside attention there may be no norm.
func (k block) mamba2(x model.ID, nEmbd int) model.ID {
	b, s := k.b, *k.State
	inner := s.NHead * s.DimV
	n := inner + 2*s.NHeadK*s.DimK
	all := inner + n + s.NHead
	in := k.linear("ssm_in", x, all)
	xbc := k.conv("ssm_conv1d", b.Slice(k.name("ssm_xbc"), in, inner, n, all), true)
	dt := k.step(b.Slice(k.name("ssm_step"), in, inner+n, s.NHead, all))
	y := b.Scan(k.name("ssm_scan"), xbc, dt, b.Vector(k.name("ssm_a"), s.NHead), b.Vector(k.name("ssm_d"), s.NHead), k.slot("ssm_state", s.Len()), s)
	y = b.SwiGLU(k.name("ssm_gated"), b.Slice(k.name("ssm_z"), in, 0, inner, all), y)
	if k.NHeadKV == 0 || b.Has(k.name("ssm_norm.weight")) {
		y = b.GroupNorm(k.name("ssm_norm"), y, b.Vector(k.name("ssm_norm.weight"), inner), inner/s.NHeadK, k.RMSEps)
	}
	return k.linear("ssm_out", y, nEmbd)
}
