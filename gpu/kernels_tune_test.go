//go:build cgo && !novulkan

package gpu

import (
	"errors"
	"slices"
	"testing"
	"time"

	"eclat/gpu/lower"
	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
)

// TestEveryShape runs every shape that tuning may choose, of a card and of a
// software device.
func TestEveryShape(t *testing.T) {
	long(t)
	d := openKernels(t, true)
	for _, c := range []struct {
		ty   quant.Type
		m, k int
	}{{quant.Q6_K, 75, 1280}, {quant.F16, 33, 68}, {quant.Q2_K, 75, 768}, {quant.IQ2_XS, 75, 768}, {quant.IQ3_XXS, 75, 768}} {
		var f ggufwrite.File
		if ggufwrite.CanEncode(c.ty) {
			f.Add("w", c.ty, []int{c.k, c.m}, random(5, c.m*c.k))
		} else {
			f.Tensors = append(f.Tensors, extremeWeight(c.ty, c.m, c.k))
		}
		file, err := loader.FromBytes("w", f.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 3, 40, 70} {
			b := model.NewBuilder(file, room(n))
			plan, err := b.Plan(b.MatMul("y", b.Weight("w", c.m, c.k), b.Receive("x", c.k)))
			if err != nil {
				t.Fatal(err)
			}
			in := benchBatch(0, n, 0)
			in.Rows = random(uint64(n), n*c.k)
			want := answer(t, reference(t), file, plan, rows(n), in)
			for _, load := range loadsOf(d) {
				info := &lower.WeightInfo{Type: c.ty, Rows: c.m, Cols: c.k}
				for _, s := range kernelsWith(d, load).Shapes(info, n) {
					k := kernelsWith(d, load)
					k.SetChoices(lower.Choices{lower.TuneKey(info, n): s})
					if got := answer(t, newBench(d, k), file, plan, rows(n), in); !slices.Equal(got.Rows, want.Rows) {
						t.Errorf("%s, %d rows, %+v: other bits, NMSE %.3g", c.ty, n, s, nmse(got.Rows, want.Rows))
					}
				}
			}
		}
	}
}

// TestTune chooses by what is measured, keeps what it has, passes over what fails,
// and prefers the first of nearly equals.
func TestTune(t *testing.T) {
	long(t)
	d := openKernels(t, false)
	file, err := loader.FromBytes("fused", fusableFile().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	b := model.NewBuilder(file, room(1))
	plan, err := b.Plan(fusable(b, false))
	if err != nil {
		t.Fatal(err)
	}
	be := newBench(d, kernelsWith(d, lower.LoadBuffer))
	defer be.Close()
	if err := be.Load(t.Context(), file, plan); err != nil {
		t.Fatal(err)
	}
	p, err := be.Compile(plan, rows(1))
	if err != nil {
		t.Fatal(err)
	}
	l := p.(*benchRun).l
	k := be.k
	key := lower.TuneKey(l.Weight(plan.Steps[0].Src[0]), 1)
	calls := 0
	err = k.Tune(l, func(ds []lower.Dispatch) (time.Duration, error) {
		calls++
		switch { // rows of W: 4 is the fastest, 1 fails, the rest are alike
		case ds[0].Spec[1] == 4:
			return time.Millisecond, nil
		case ds[0].Spec[1] == 1:
			return 0, errors.New("fails")
		}
		return 2 * time.Millisecond, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := k.Choices()[key]; s.Rows != 4 {
		t.Errorf("the choice is %+v", s)
	}
	before := calls
	if err := k.Tune(l, func([]lower.Dispatch) (time.Duration, error) { calls++; return 0, nil }); err != nil || calls != before {
		t.Errorf("measured again: %d calls, %v", calls-before, err)
	}
	if err := kernelsWith(d, lower.LoadBuffer).Tune(l, func([]lower.Dispatch) (time.Duration, error) { return 0, errors.New("lost") }); err == nil {
		t.Error("no error although every shape fails")
	}
	if _, err := be.Compile(plan, rows(1)); err != nil { // the choices lower
		t.Error(err)
	}
}
