//go:build cgo && !novulkan

package gpu

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"eclat/gpu/lower"
	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/backendtest"
)

// TestEveryShape runs every shape that tuning may choose, of a card and of a
// software device.
func TestEveryShape(t *testing.T) {
	long(t)
	d := openKernels(t, true)
	type weight struct {
		ty   quant.Type
		m, k int
	}
	type run struct {
		weight
		n     int // rows of x
		load  string
		shape lower.Shape
	}
	var list []run
	files := map[weight]*loader.File{}
	for _, w := range []weight{{quant.Q6_K, 75, 1280}, {quant.F16, 33, 68}, {quant.Q2_K, 75, 768}, {quant.IQ2_XS, 75, 768}, {quant.IQ3_XXS, 75, 768}} {
		var f ggufwrite.File
		if ggufwrite.CanEncode(w.ty) {
			f.Add("w", w.ty, []int{w.k, w.m}, random(5, w.m*w.k))
		} else {
			f.Tensors = append(f.Tensors, extremeWeight(w.ty, w.m, w.k))
		}
		file, err := loader.FromBytes("w", f.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		files[w] = file
		for _, n := range []int{1, 3, 40, 70} {
			for _, load := range loadsOf(d) {
				for _, s := range kernelsWith(d, load).Shapes(&lower.WeightInfo{Type: w.ty, Rows: w.m, Cols: w.k}, n) {
					list = append(list, run{w, n, load, s})
				}
			}
		}
	}
	for _, c := range backendtest.Deal(t, list, func(c run) string { return c.load + " " + c.ty.String() }) {
		b := model.NewBuilder(files[c.weight], room(c.n))
		plan, err := b.Plan(b.MatMul("y", b.Weight("w", c.m, c.k), b.Receive("x", c.k)))
		if err != nil {
			t.Fatal(err)
		}
		in := benchBatch(0, c.n, 0)
		in.Rows = random(uint64(c.n), c.n*c.k)
		want := answer(t, reference(t), files[c.weight], plan, rows(c.n), in)
		k := kernelsWith(d, c.load)
		k.SetChoices(lower.Choices{lower.TuneKey(&lower.WeightInfo{Type: c.ty, Rows: c.m, Cols: c.k}, c.n): c.shape})
		sameAnswer(t, fmt.Sprintf("%s, %d rows, %+v", c.ty, c.n, c.shape), answer(t, newBench(d, k), files[c.weight], plan, rows(c.n), in).Rows, want.Rows)
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
