package engine

import (
	"encoding/binary"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model/arch/archtest"
)

// TestFactorsOfExperts: a factor of each expert beside its weights is as good as in them.
// Factors are powers of two, so that every bit is the same.
func TestFactorsOfExperts(t *testing.T) {
	long(t)
	folder := t.TempDir()
	write := func(name string, beside bool) string {
		f := archtest.Hybrid("granitehybrid-experts", 1)
		var factors []ggufwrite.Tensor
		for i := range f.Tensors {
			x := &f.Tensors[i]
			part, ok := strings.CutSuffix(x.Name, "_exps.weight")
			if !ok {
				continue
			}
			n := x.Dims[2]
			scale := ggufwrite.Tensor{Name: part + "_exps.scale", Type: quant.F32, Dims: []int{n}}
			for e := range n {
				by := float32(math.Ldexp(1, e%5-2))
				scale.Data = binary.LittleEndian.AppendUint32(scale.Data, math.Float32bits(by))
				for b := x.Data[e*len(x.Data)/n : (e+1)*len(x.Data)/n]; !beside && len(b) > 0; b = b[4:] {
					binary.LittleEndian.PutUint32(b, math.Float32bits(math.Float32frombits(binary.LittleEndian.Uint32(b))*by))
				}
			}
			if beside {
				factors = append(factors, scale)
			}
		}
		if f.Tensors = append(f.Tensors, factors...); beside != (len(factors) > 2) {
			t.Fatalf("%d tensors of factors", len(factors))
		}
		path := filepath.Join(folder, name)
		if err := f.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	within, beside := write("within.gguf", false), write("beside.gguf", true)
	ids := familyIDs(40)
	want := proofOfIDs(t, within, "ref", ids)
	devices := []string{"ref", "cpu"}
	t.Run("GPU", func(t *testing.T) { devices = append(devices, gpuName(t)) })
	for _, device := range devices {
		if got := proofOfIDs(t, beside, device, ids); got != want {
			t.Errorf("%s: other bits with factors beside the weights", device)
		}
	}
}
