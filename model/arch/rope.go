package arch

import (
	"math"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/numerics"
)

// rope reads how positions rotate heads of headDim elements.
func (r *reader) rope(headDim, nCtx int) model.RopeConfig {
	p := model.RopeConfig{
		Dims:     r.sizeOr("rope.dimension_count", maxWidth, headDim),
		FreqBase: r.base("rope.freq_base"),
		Scaling:  r.str("rope.scaling.type", "none"),
		Factor:   r.float("rope.scaling.factor", 0),
		OrigCtx:  r.sizeOr("rope.scaling.original_context_length", maxCtx, nCtx),
	}
	if p.Dims%2 != 0 || p.Dims > headDim {
		r.fail("rope.dimension_count", "%d rotary dimensions in heads of %d", p.Dims, headDim)
	}
	if p.Factor == 0 { // the older name; a factor without a type means linear
		p.Factor = r.float("rope.scale_linear", 0)
	}
	if p.Factor == 0 {
		p.Factor = 1
	}
	if !r.has("rope.scaling.type") && p.Factor != 1 {
		p.Scaling = "linear"
	}
	if p.Factor <= 0 {
		r.fail("rope.scaling.factor", "%g is not positive", p.Factor)
	}
	p.AttnScale = r.float("rope.scaling.attn_factor", 1)
	switch p.Scaling {
	case "none":
		p.Factor = 1
	case "linear":
	case "yarn":
		p.ExtFactor = r.float("rope.scaling.yarn_ext_factor", 1)
		p.BetaFast = r.float("rope.scaling.yarn_beta_fast", 32)
		p.BetaSlow = r.float("rope.scaling.yarn_beta_slow", 1)
		p.AttnScale *= r.float("rope.scaling.yarn_attn_factor", 1) * yarnMscale(r, p)
		if p.BetaFast <= 0 || p.BetaSlow <= 0 {
			r.fail("rope.scaling.yarn_beta_fast", "YaRN's betas %g and %g must be positive", p.BetaFast, p.BetaSlow)
		}
	case "longrope":
		p.Factor = 1
		if name := longFactors(p, nCtx); r.file.Tensor(name) == nil {
			r.unsupported("rope.scaling.type", "%.64q without the tensor %s is not supported; supported are none, linear, yarn", p.Scaling, name)
		}
	default:
		r.unsupported("rope.scaling.type", "%.64q is not supported; supported are none, linear, yarn, longrope", p.Scaling)
	}
	for _, name := range []string{"rope_freqs.weight", longFactors(p, nCtx)} {
		if r.err == nil && p.Factors == nil && r.file.Tensor(name) != nil {
			p.Factors = readFactors(r, name, p.Dims/2)
		}
	}
	return p
}

// longFactors names the divisors of each pair's frequency in a model that was made for
// longer contexts (Ding et al. 2024, "LongRoPE"): those of long contexts where it is for
// more positions than it was first trained for. The file says so, and not how long a
// context is in use: a short answer would depend on the room that a device has.
func longFactors(p model.RopeConfig, nCtx int) string {
	if nCtx > p.OrigCtx {
		return "rope_factors_long.weight"
	}
	return "rope_factors_short.weight"
}

// base reads the base of rope's frequencies.
func (r *reader) base(name string) float64 {
	b := r.float(name, 10000)
	if b <= 1 {
		r.fail(name, "%g is not above 1", b)
	}
	return b
}

// yarnMscale is YaRN's temperature on attention, 1 + 0.1·ln(factor) (Peng et al.
// 2023, "YaRN", section 3.4), relative to rope.scaling.yarn_log_multiplier where
// the file has one (DeepSeek's mscale_all_dim, which the model divides out again).
func yarnMscale(r *reader, p model.RopeConfig) float64 {
	if p.ExtFactor == 0 || p.Factor <= 1 {
		return 1
	}
	m := 1 + float64(0.1*numerics.Log(p.Factor))
	if all := r.float("rope.scaling.yarn_log_multiplier", 0); all != 0 {
		m /= 1 + float64(0.1*all*numerics.Log(p.Factor))
	}
	return m
}

// readFactors reads the tensor of n frequency divisors.
func readFactors(r *reader, name string, n int) []float64 {
	t := r.file.Tensor(name)
	if t.Elems() != n || !t.Type.CanDecode() || t.RowBytes != int(t.Size) {
		r.err = r.file.Errorf(name, "%s of %s, but %d factors are needed", model.Shape(t.Dims...), t.Type, n)
		return nil
	}
	f := make([]float32, n)
	quant.Decode(t.Type, f, t.Data)
	out := make([]float64, n)
	for i, x := range f {
		out[i] = float64(x)
		if !(x > 0) || math.IsInf(out[i], 0) {
			r.err = r.file.Errorf(name, "factor %d is %g, not a positive number", i, x)
			return nil
		}
	}
	return out
}
