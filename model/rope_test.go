package model

import (
	"math"
	"testing"

	"eclat/model/numerics"
)

// TestRopeTable compares frequencies with numbers worked out from the definitions.
func TestRopeTable(t *testing.T) {
	base := RopeConfig{Dims: 8, FreqBase: 10000, Factor: 1, AttnScale: 1}
	linear := base
	linear.Factor = 4
	factors := base
	factors.Factors = []float64{1, 2, 4, 8}
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

// TestRopeBits: frequencies are package numerics' powers, whose bits no processor's own
// functions change.
func TestRopeBits(t *testing.T) {
	p := RopeConfig{Dims: 128, FreqBase: 1e6, Factor: 1}
	for j, f := range p.Table().Freq {
		if want := numerics.Pow(1e6, -2*float64(j)/128); f != want {
			t.Errorf("pair %d turns %v a position, want %v", j, f, want)
		}
	}
}

// TestRopeEqual: tables differ in anything that they turn differently by.
func TestRopeEqual(t *testing.T) {
	base := Rope{Freq: []float64{1, 0.1}, Scale: 1}
	b := NewBuilder(nil, Room{})
	if b.Rope(base) != 0 || b.Rope(Rope{Freq: []float64{1, 0.1}, Scale: 1}) != 0 {
		t.Error("an equal table got another index")
	}
	for i, r := range []Rope{
		{Freq: []float64{1, 0.2}, Scale: 1},
		{Freq: []float64{1}, Scale: 1},
		{Freq: []float64{1, 0.1}, Scale: 1.5},
		{Freq: []float64{1, 0.1}, Scale: 1, Halves: true},
		{Freq: []float64{1, 0.1}, Scale: 1, Axis: []uint8{0, 1}},
	} {
		for range 2 {
			if got := b.Rope(r); got != i+1 {
				t.Errorf("table %d has index %d, want %d", i, got, i+1)
			}
		}
	}
	if got := b.Rope(base); got != 0 {
		t.Errorf("the first table has index %d again", got)
	}
}
