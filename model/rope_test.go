package model

import (
	"eclat/loader/quant"
	"math"
	"testing"
)

// TestRopeTable compares frequencies with numbers worked out from the definitions.
func TestRopeTable(t *testing.T) {
	base := RopeConfig{Dims: 8, FreqBase: 10000, Factor: 1, AttnScale: 1}
	linear := base
	linear.Factor = 4
	factors := base
	factors.factors = []float64{1, 2, 4, 8}
	// With 64 trained positions pair 0 (1 radian a position) makes 10.2 turns, pair 1
	// (0.1) makes 1.02, pairs 2 and 3 less than one. Between 8 and 1 turns: pairs 0.1…1.008,
	// so the ramp runs from pair 0 to pair 2: pair 0 keeps its frequency, pair 1 is half way.
	yarn := base
	yarn.Factor, yarn.OrigCtx, yarn.ExtFactor, yarn.BetaFast, yarn.BetaSlow = 4, 64, 1, 8, 1
	half := yarn
	half.ExtFactor = 0.5
	for _, c := range []struct {
		name string
		p    RopeConfig
		want []float64
	}{
		{"plain", base, []float64{1, 0.1, 0.01, 0.001}},
		{"linear", linear, []float64{0.25, 0.025, 0.0025, 0.00025}},
		{"factors", factors, []float64{1, 0.05, 0.0025, 0.000125}},
		{"yarn", yarn, []float64{1, 0.1*0.5 + 0.025*0.5, 0.0025, 0.00025}},
		{"yarn by half", half, []float64{0.5 + 0.125, 0.1*0.25 + 0.025*0.75, 0.0025, 0.00025}},
	} {
		got := c.p.Table()
		for j := range c.want {
			if math.Abs(got.Freq[j]-c.want[j]) > 1e-12 {
				t.Errorf("%s: pair %d turns %g a position, want %g", c.name, j, got.Freq[j], c.want[j])
			}
		}
	}
}

// TestRopeMetadata checks which keys mean what.
func TestRopeMetadata(t *testing.T) {
	for _, c := range []struct {
		name    string
		set     map[string]any
		scaling string
		factor  float64
		scale   float64
	}{
		{"nothing", nil, "none", 1, 1},
		{"linear", map[string]any{"scaling.type": "linear", "scaling.factor": float32(2)}, "linear", 2, 1},
		{"the older name", map[string]any{"scale_linear": float32(2)}, "linear", 2, 1},
		{"none beats a factor", map[string]any{"scaling.type": "none", "scaling.factor": float32(2)}, "none", 1, 1},
		{"yarn warms attention", map[string]any{"scaling.type": "yarn", "scaling.factor": float32(8)}, "yarn", 8, 1 + 0.1*math.Log(8)},
		{"and a factor of the file's own", map[string]any{"scaling.type": "yarn", "scaling.factor": float32(8), "scaling.attn_factor": float32(2)}, "yarn", 8, 2 * (1 + 0.1*math.Log(8))},
		{"yarn of factor 1", map[string]any{"scaling.type": "yarn", "scaling.factor": float32(1)}, "yarn", 1, 1},
	} {
		f := small()
		for k, v := range c.set {
			f.Set("llama.rope."+k, v)
		}
		m, err := openBytes(t, f)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if r := m.Config.Rope; r.Scaling != c.scaling || r.Factor != c.factor || math.Abs(r.AttnScale-c.scale) > 1e-9 {
			t.Errorf("%s: %+v, want %s × %g, attention × %g", c.name, r, c.scaling, c.factor, c.scale)
		}
	}
	f := small()
	f.Add("rope_freqs.weight", quant.F32, []int{16}, []float32{1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2})
	m, err := openBytes(t, f)
	if err != nil {
		t.Fatal(err)
	}
	if r := m.Config.Rope.Table(); r.Freq[0] != 1 || math.Abs(r.Freq[8]-math.Pow(10000, -0.5)/2) > 1e-12 {
		t.Errorf("rope_freqs was not obeyed: %v", r.Freq)
	}
}
