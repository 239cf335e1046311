//go:build never

package gpu

import (
	"errors"
	"slices"
	"testing"
	"time"

	"eclat/cpu"
	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/conformance"
)

// TestEveryShape runs every shape that tuning may choose, of a card and of a
// software device.
func TestEveryShape(t *testing.T) {
	d := openKernels(t, true)
	for _, c := range []struct {
		ty   quant.Type
		m, k int
	}{{quant.Q6_K, 75, 1280}, {quant.F16, 33, 68}} {
		var f ggufwrite.File
		f.Add("w", c.ty, []int{c.k, c.m}, random(5, c.m*c.k))
		file, err := loader.FromBytes("w", f.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 3, 40, 70} {
			b := model.NewBuilder(file, n, 1, model.Pages(n))
			plan, err := b.Plan(b.MatMul("y", b.Weight("w", c.m, c.k), b.Receive("x", c.k)))
			if err != nil {
				t.Fatal(err)
			}
			in := benchInputs(0, n, 0, model.Pages(n))
			in.Hidden = random(uint64(n), n*c.k)
			want := answer(t, cpu.NewRef(), file, plan, in)
			for _, load := range allLoads {
				info := &WeightInfo{Type: c.ty, Rows: c.m, Cols: c.k}
				for i, s := range kernelsWith(d, load).shapes(c.ty, n, info.tail()) {
					k := kernelsWith(d, load)
					k.SetChoices(Choices{tuneKey(info, n): i})
					if e := conformance.NMSE(want.Result, answer(t, newBench(d, k), file, plan, in).Result); !(e <= conformance.LimitQuant) {
						t.Errorf("%s, %d rows, %+v: NMSE %.3g", c.ty, n, s, e)
					}
				}
			}
		}
	}
}

// TestTune chooses by what is measured, keeps what it has, passes over what fails,
// and prefers the first of nearly equals.
func TestTune(t *testing.T) {
	d := openKernels(t, false)
	file, err := loader.FromBytes("fused", fusableFile().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	b := model.NewBuilder(file, 1, 1, 1)
	plan, err := b.Plan(fusable(b, false))
	if err != nil {
		t.Fatal(err)
	}
	be := newBench(d, kernelsWith(d, loadBuffer))
	defer be.Close()
	if err := be.Load(file, plan.Keep()); err != nil {
		t.Fatal(err)
	}
	p, err := be.Compile(plan)
	if err != nil {
		t.Fatal(err)
	}
	l := p.(*benchRun).l
	k := be.k
	key := tuneKey(l.Weight(plan.Steps[0].Src[0]), 1)
	calls := 0
	err = k.Tune(l, func(ds []Dispatch) (time.Duration, error) {
		calls++
		switch { // rows of W: 4 is the fastest, 1 fails, the rest are alike
		case ds[0].Spec[2] == 4:
			return time.Millisecond, nil
		case ds[0].Spec[2] == 1:
			return 0, errors.New("fails")
		}
		return 2 * time.Millisecond, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	shapes := k.shapes(quant.Q4_K, 1, false)
	if want := slices.IndexFunc(shapes, func(s shape) bool { return s.rows == 4 }); k.Choices()[key] != want {
		t.Errorf("choice %d of %+v, want %d", k.Choices()[key], shapes, want)
	}
	before := calls
	if err := k.Tune(l, func([]Dispatch) (time.Duration, error) { calls++; return 0, nil }); err != nil || calls != before {
		t.Errorf("measured again: %d calls, %v", calls-before, err)
	}
	if err := kernelsWith(d, loadBuffer).Tune(l, func([]Dispatch) (time.Duration, error) { return 0, errors.New("lost") }); err == nil {
		t.Error("no error although every shape fails")
	}
	if _, err := be.Compile(plan); err != nil { // the choices lower
		t.Error(err)
	}
}
