package lower

import (
	"slices"
	"testing"

	"eclat/loader/quant"
)

// card is a device with everything that products can use.
var card = Device{
	Name: "some card", Subgroup: 32, SubgroupMin: 32, SubgroupMax: 32, SubgroupArithmetic: true, Dot: true, DotFast: true,
	MaxStorageRange: 1 << 30, MaxTexelElements: 1 << 27, MaxGroupInvocations: 1024, SharedMemory: 48 << 10,
	Matrices: []Matrix{{16, 8, 32}, {16, 16, 32}, {0, 16, 32}, {1 << 31, 2, 16}, {64, 64, 64}},
}

// firsts are the loads of a list of shapes, each once.
func firsts(list []Shape) (loads []string) {
	for _, s := range list {
		if !slices.Contains(loads, s.Load) {
			loads = append(loads, s.Load)
		}
	}
	return loads
}

// TestShapesOfBytes: matrices of bytes come before dot products and those before floats
// where the device says that they are fast, and last where it computes on the processor
// or does not say so; what fails is left out.
func TestShapesOfBytes(t *testing.T) {
	slow, software := card, card
	slow.DotFast, slow.Matrices = false, nil
	software.Software = true
	few := card
	few.SubgroupMin = 8 // a size that nobody can ask for
	few.Matrices = card.Matrices
	q4, f16 := &WeightInfo{Type: quant.Q4_K, Rows: 64, Cols: 512}, &WeightInfo{Type: quant.F16, Rows: 64, Cols: 512}
	for _, c := range []struct {
		name string
		d    Device
		info *WeightInfo
		n    int
		off  string
		want []string
	}{
		{"card, prompt", card, q4, 512, "", []string{"tile_coop", "tile_dot", "_dot", "tile", "", "_texel"}},
		{"card, token", card, q4, 1, "", []string{"_dot", "", "_texel"}},
		{"card, floats", card, f16, 512, "", []string{"tile", "", "_texel"}},
		{"card without matrices", card, q4, 512, "matmul_q4_k_coop", []string{"tile_dot", "_dot", "tile", "", "_texel"}},
		{"card without dots", card, q4, 1, "matvec_q4_k_dot", []string{"", "_texel"}},
		{"slow dots", slow, q4, 512, "", []string{"tile", "", "_texel", "tile_dot", "_dot"}},
		{"software", software, q4, 512, "", []string{"_texel", "", "tile_dot", "_dot", "tile_coop"}},
		{"unknown subgroups", few, q4, 512, "", []string{"tile_dot", "_dot", "tile", ""}},
	} {
		k := NewKernels(c.d)
		if c.off != "" && !k.Disable(c.off) {
			t.Errorf("%s: nothing takes the place of %s", c.name, c.off)
		}
		if got := firsts(k.Shapes(c.info, c.n)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if m := card.matrix(); m != (Matrix{16, 16, 32}) {
		t.Errorf("matrices of %v", m)
	}
}

// TestProductKernels: every shape's kernel is found by its name.
func TestProductKernels(t *testing.T) {
	for _, ty := range []quant.Type{quant.Q4_K, quant.Q8_0, quant.F32} {
		for _, s := range NewKernels(card).Shapes(&WeightInfo{Type: ty, Rows: 64, Cols: 512}, 512) {
			if got, load, ok := productKernel(s.kernel(ty)); !ok || got != ty || load != s.Load {
				t.Errorf("%s of %s: %s %q %v", s.kernel(ty), ty, got, load, ok)
			}
		}
	}
}
