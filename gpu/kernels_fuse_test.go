//go:build cgo && !novulkan

package gpu

import (
	"fmt"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/sample"
)

// fusable is a block whose steps all can be fused: biases, a residual, keys that
// go to the cache, SwiGLU; gate has the given type, up another where mixed.
func fusable(b *model.Builder, mixed bool) model.ID {
	const cols, head = 256, 64
	rope := b.Rope(model.Rope{Freq: []float64{1, 0.1, 0.01, 0.001}, Scale: 1})
	x := b.Receive("x", cols)
	linear := func(name string, x model.ID, rows, cols int, bias bool) model.ID {
		y := b.MatMul(name, b.Weight(name+".weight", rows, cols), x)
		if bias {
			y = b.Add(name+"+bias", y, b.Weight(name+".bias", 1, rows))
		}
		return y
	}
	q := b.RoPE("q_rope", linear("q", x, 128, cols, true), head, rope)
	k := b.RoPE("k_rope", linear("k", x, head, cols, true), head, rope)
	v := linear("v", x, head, cols, false)
	kc, vc := halves(b, "k_cache", head), halves(b, "v_cache", head)
	b.Store(kc, k)
	b.Store(vc, v)
	a := b.Attention("a", q, kc, vc, 2, 1, 0.125)
	x = b.Add("residual", x, linear("o", a, cols, 128, false))
	up := "up"
	if mixed {
		up = "up2"
	}
	s := b.SwiGLU("swiglu", linear("gate", x, 333, cols, false), linear(up, x, 333, cols, false))
	return b.Add("out", b.Add("twice", x, x), linear("o2", b.SwiGLU("again", s, s), cols, 333, true))
}

func fusableFile() *ggufwrite.File {
	var f ggufwrite.File
	add := func(name string, ty quant.Type, rows, cols int) {
		x := make([]float32, rows*cols)
		for i := range x {
			x[i] = (sample.Uniform(uint64(len(name)+rows), uint32(i)) - 0.5) * 0.2
		}
		f.Add(name, ty, []int{cols, rows}, x)
	}
	for _, w := range []struct {
		name       string
		ty         quant.Type
		rows, cols int
	}{
		{"q", quant.Q4_K, 128, 256}, {"k", quant.Q4_K, 64, 256}, {"v", quant.Q6_K, 64, 256}, {"o", quant.Q8_0, 256, 128},
		{"gate", quant.Q5_K, 333, 256}, {"up", quant.Q5_K, 333, 256}, {"up2", quant.F16, 333, 256}, {"o2", quant.F32, 256, 333},
	} {
		add(w.name+".weight", w.ty, w.rows, w.cols)
		ty := quant.F32
		if w.name == "k" {
			ty = quant.F16 // a bias that is decoded first
		}
		add(w.name+".bias", ty, 1, w.rows)
	}
	return &f
}

// TestFused compares a fused block with ref, for each way of loading, with weights
// whole and split, and with a trace, which leaves nothing to fuse.
func TestFused(t *testing.T) {
	long(t)
	d := openKernels(t, true)
	file, err := loader.FromBytes("fused", fusableFile().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	type batch struct {
		n     int // tokens
		mixed bool
	}
	type run struct {
		batch
		load  string
		split int64
		trace bool
	}
	var list []run
	for _, n := range []int{1, 9, 70} {
		for _, mixed := range []bool{false, true} {
			for _, load := range loadsOf(d) {
				of := batch{n, mixed}
				list = append(list, run{of, load, 1 << 30, false}, run{of, load, 10000, false}, run{of, load, 1 << 30, true})
			}
		}
	}
	want := map[batch][]float32{}
	for _, c := range backendtest.Deal(t, list, func(c run) string { return fmt.Sprint(c.load, c.split, c.trace) }) {
		in := benchBatch(0, c.n, 256)
		answer := func(be model.Backend, trace bool) []float32 {
			b := model.NewBuilder(file, room(c.n))
			plan, err := b.Plan(fusable(b, c.mixed))
			if err != nil {
				t.Fatal(err)
			}
			o := rows(c.n)
			o.Trace = trace
			return answer(t, be, file, plan, o, in).Rows
		}
		if want[c.batch] == nil {
			want[c.batch] = answer(reference(t), false)
		}
		be := newBench(d, kernelsWith(d, c.load))
		be.split = c.split
		sameAnswer(t, fmt.Sprintf("%+v", c), answer(be, c.trace), want[c.batch])
	}
}
