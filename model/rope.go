package model

import "math"

// RopeConfig is how a model rotates positions.
type RopeConfig struct {
	Dims      int     `json:"n_dims"`                    // rotated elements of each head; even
	FreqBase  float64 `json:"freq_base"`                 // θ: pair j turns by θ^(−2j/Dims) radians a position
	Scaling   string  `json:"scaling"`                   // "none", "linear" or "yarn"
	Factor    float64 `json:"factor"`                    // how much further than trained positions reach; 1 for none
	OrigCtx   int     `json:"n_ctx_orig"`                // positions before scaling (YaRN)
	ExtFactor float64 `json:"yarn_ext_factor,omitempty"` // share of YaRN's blend; 0 is plain interpolation
	BetaFast  float64 `json:"yarn_beta_fast,omitempty"`  // turns over OrigCtx above which a pair keeps its frequency (YaRN)
	BetaSlow  float64 `json:"yarn_beta_slow,omitempty"`  // turns below which it is interpolated (YaRN)
	AttnScale float64 `json:"attn_scale"`                // factor on rotated queries and keys

	factors []float64 // rope_freqs: divides each pair's frequency (Llama 3); nil for none
}

func readRope(r *configReader, c *Config) RopeConfig {
	p := RopeConfig{
		Dims:     r.sizeOr("rope.dimension_count", maxWidth, c.HeadDimK),
		FreqBase: r.float("rope.freq_base", 10000),
		Scaling:  r.str("rope.scaling.type", "none"),
		Factor:   r.float("rope.scaling.factor", 0),
		OrigCtx:  r.sizeOr("rope.scaling.original_context_length", maxCtx, c.NCtx),
	}
	if p.Dims%2 != 0 || p.Dims > c.HeadDimK {
		r.fail("rope.dimension_count", "%d rotary dimensions in heads of %d", p.Dims, c.HeadDimK)
	}
	if p.FreqBase <= 1 {
		r.fail("rope.freq_base", "%g is not above 1", p.FreqBase)
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
	default:
		r.unsupported("rope.scaling.type", "%.64q is not supported; supported are none, linear, yarn", p.Scaling)
	}
	if t := r.file.Tensor("rope_freqs.weight"); t != nil && r.err == nil {
		p.factors = readFactors(r, t.Name, p.Dims/2)
	}
	return p
}

// yarnMscale is YaRN's temperature on attention, 1 + 0.1·ln(factor) (Peng et al.
// 2023, "YaRN", section 3.4), relative to rope.scaling.yarn_log_multiplier where
// the file has one (DeepSeek's mscale_all_dim, which the model divides out again).
func yarnMscale(r *configReader, p RopeConfig) float64 {
	if p.ExtFactor == 0 || p.Factor <= 1 {
		return 1
	}
	m := 1 + 0.1*math.Log(p.Factor)
	if all := r.float("rope.scaling.yarn_log_multiplier", 0); all != 0 {
		m /= 1 + 0.1*all*math.Log(p.Factor)
	}
	return m
}

// readFactors reads the tensor of n frequency divisors.
func readFactors(r *configReader, name string, n int) []float64 {
	t := r.file.Tensor(name)
	if t.Elems() != n || !t.Type.CanDecode() || t.RowBytes != int(t.Size) {
		r.err = r.file.Errorf(name, "%s of %s, but %d factors are needed", Shape(t.Dims...), t.Type, n)
		return nil
	}
	f := make([]float32, n)
	decode(t, f)
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

// Table computes the angles. Pair j turns θ^(−2j/Dims)/factors[j] radians a
// position, divided by Factor under linear scaling; YaRN blends the two by how
// many turns the pair makes over the original context (Peng et al. 2023, 3.2).
func (p *RopeConfig) Table() Rope {
	t := Rope{Freq: make([]float64, p.Dims/2), Scale: float32(p.AttnScale)}
	low, high := p.yarnRange()
	for j := range t.Freq {
		f := math.Pow(p.FreqBase, -2*float64(j)/float64(p.Dims))
		if p.factors != nil {
			f /= p.factors[j]
		}
		keep := 0.0 // share of the unscaled frequency
		if p.ExtFactor != 0 {
			ramp := (float64(j) - low) / math.Max(0.001, high-low)
			keep = p.ExtFactor * (1 - math.Min(1, math.Max(0, ramp)))
		}
		t.Freq[j] = f/p.Factor*(1-keep) + f*keep
	}
	return t
}

// yarnRange returns the pairs between which YaRN's blend runs: those that make
// BetaFast and BetaSlow turns over the original context.
func (p *RopeConfig) yarnRange() (low, high float64) {
	pair := func(turns float64) float64 {
		return float64(p.Dims) * math.Log(float64(p.OrigCtx)/(turns*2*math.Pi)) / (2 * math.Log(p.FreqBase))
	}
	low = math.Max(0, math.Floor(pair(p.BetaFast)))
	high = math.Min(float64(p.Dims-1), math.Ceil(pair(p.BetaSlow)))
	return low, high
}
