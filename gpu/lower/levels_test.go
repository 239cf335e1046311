package lower_test

import (
	"testing"

	"eclat/gpu/lower"
	"eclat/loader"
	"eclat/model"
	"eclat/model/arch"
)

// levels counts the dispatches of one token that wait for another, as barriers are placed:
// one lies before each that reads what was written since the last, or writes what was used.
func levels(t *testing.T, m *model.Model, layers, context int) int {
	t.Helper()
	plan, err := m.Plan(model.Stage{End: layers, Embed: true}, model.Room{Pages: model.Pages(context), Seqs: 1, Chunk: 1})
	if err != nil {
		t.Fatal(err)
	}
	kernels := lower.NewKernels(lower.Device{
		Name: "some card", Subgroup: 32, SubgroupMin: 32, SubgroupMax: 32, SubgroupArithmetic: true, Dot: true, DotFast: true,
		MaxStorageRange: 1 << 30, MaxTexelElements: 1 << 27, MaxGroupInvocations: 1024, SharedMemory: 48 << 10,
	})
	groups, err := kernels.All(lower.NewLowering(plan, model.CompileOptions{Size: model.Size{Tokens: 1}}, func(name string) *lower.WeightInfo {
		w := m.File.Tensor(name)
		return &lower.WeightInfo{Type: w.Type, Rows: w.Rows(), Cols: w.Dims[0], RowBytes: w.RowBytes,
			Parts: []lower.Part{{Rows: w.Rows(), Bytes: w.Size}}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	type use struct {
		lower.Bind
		group int
	}
	var since []use
	n := 1
	for gi, g := range groups {
		for _, d := range g.Dispatches {
			waits := false
			var now []use
			for _, b := range d.Bind {
				if b.Mem == lower.WeightOf || b.Mem == lower.Inputs0 {
					continue
				}
				for _, s := range since {
					apart := b.Mem != s.Mem || b.Tensor != s.Tensor || b.Mem == lower.Scratch && (b.Offset >= s.Offset+s.Size || s.Offset >= b.Offset+b.Size)
					beside := d.Beside && b.Write && s.Write && s.group == gi
					waits = waits || !apart && !beside && (b.Write || s.Write)
				}
				now = append(now, use{b, gi})
			}
			if waits {
				since = since[:0]
				n++
			}
			since = append(since, now...)
		}
	}
	return n
}

// TestDependentDispatches: a layer is nine dispatches one after the other on a card, ten
// where the spans of a context are merged.
func TestDependentDispatches(t *testing.T) {
	f, err := loader.Open("../../testdata/sotu-8m-q4_k_m.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := arch.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	for context, want := range map[int]int{256: 9, 2048: 10} {
		if got := levels(t, m, 5, context) - levels(t, m, 4, context); got != want {
			t.Errorf("context of %d: %d dispatches that wait for one another in a layer, want %d", context, got, want)
		}
	}
}
