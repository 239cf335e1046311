package model

import (
	"math"
	"slices"

	"eclat/model/numerics"
)

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

	Warm  float64 `json:"temperature_scale,omitempty"`  // of queries: Rope.Warm
	Every int     `json:"temperature_length,omitempty"` // and Rope.Every

	Halves bool `json:"halves,omitempty"` // pairs are (x[j], x[j+Dims/2]), else neighbours

	Factors []float64 `json:"-"` // rope_freqs: divides each pair's frequency (Llama 3); nil for none
}

// Unscaled is the same rope for the positions the model was trained for, as layers with a
// window have it beside others that reach further.
func (p RopeConfig) Unscaled() RopeConfig {
	p.Scaling, p.Factor, p.ExtFactor, p.AttnScale = "none", 1, 0, 1
	return p
}

// Table computes the angles. Pair j turns θ^(−2j/Dims)/factors[j] radians a
// position, divided by Factor under linear scaling; YaRN blends the two by how
// many turns the pair makes over the original context (Peng et al. 2023, 3.2). Every
// processor computes the same bits: products that are added stand in conversions, and
// powers and logarithms are package numerics' own.
func (p *RopeConfig) Table() Rope {
	t := Rope{Freq: make([]float64, p.Dims/2), Scale: float32(p.AttnScale), Halves: p.Halves}
	low, high := 0.0, 0.0
	if p.ExtFactor != 0 {
		low, high = p.yarnRange()
	}
	for j := range t.Freq {
		f := numerics.Pow(p.FreqBase, -2*float64(j)/float64(p.Dims))
		if p.Factors != nil {
			f /= p.Factors[j]
		}
		keep := 0.0 // share of the unscaled frequency
		if p.ExtFactor != 0 {
			ramp := (float64(j) - low) / math.Max(0.001, high-low)
			keep = p.ExtFactor * (1 - math.Min(1, math.Max(0, ramp)))
		}
		t.Freq[j] = float64(f/p.Factor*(1-keep)) + float64(f*keep)
	}
	return t
}

// yarnRange returns the pairs between which YaRN's blend runs: those that make
// BetaFast and BetaSlow turns over the original context.
func (p *RopeConfig) yarnRange() (low, high float64) {
	pair := func(turns float64) float64 {
		return float64(p.Dims) * numerics.Log(float64(p.OrigCtx)/(turns*2*math.Pi)) / (2 * numerics.Log(p.FreqBase))
	}
	low = math.Max(0, math.Floor(pair(p.BetaFast)))
	high = math.Min(float64(p.Dims-1), math.Ceil(pair(p.BetaSlow)))
	return low, high
}

// equal reports whether two tables turn alike.
func (r *Rope) equal(o *Rope) bool {
	return r.Scale == o.Scale && r.Warm == o.Warm && r.Every == o.Every && r.Ahead == o.Ahead && r.Halves == o.Halves && slices.Equal(r.Freq, o.Freq) && slices.Equal(r.Axis, o.Axis)
}

// ScaleAt is the factor of the rotated elements at a position of a sequence,
//
//	Scale·(1 + Warm·ln(⌊(pos + Ahead)/Every⌋ + 1))
//
// which keeps the softmax as sharp over long contexts as over short ones.
func (r *Rope) ScaleAt(pos int32) float32 {
	if r.Warm == 0 {
		return r.Scale
	}
	by := 1 + float64(r.Warm*numerics.Log(float64((int(pos)+r.Ahead)/r.Every)+1))
	return float32(float64(r.Scale) * by)
}
