package arch

import (
	"math"
	"testing"

	"eclat/loader/quant"
)

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
