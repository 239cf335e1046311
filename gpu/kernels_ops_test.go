//go:build cgo && !novulkan

package gpu

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/sample"
)

// has reports whether a device has kernels that load in a way.
func has(d *vk.Device, load string) bool {
	return slices.Contains(lower.NewKernels(lowerable(d.Info())).Variants(), cmp.Or(strings.TrimPrefix(load, "_"), "buffer"))
}

// loadsOf lists the ways of loading that a device's kernels may use: not texels where a
// binding holds few.
func loadsOf(d *vk.Device) []string {
	all := []string{lower.LoadTexel, lower.LoadBuffer, lower.LoadPlain, lower.LoadDot, lower.LoadCoop}
	return slices.DeleteFunc(all, func(load string) bool { return !has(d, load) })
}

// random returns n numbers in (−1, 1).
func random(seed uint64, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = 2*sample.Uniform(seed, uint32(i)) - 1
	}
	return x
}

// emptyFile is a file for plans without weights.
func emptyFile(t testing.TB) *loader.File {
	var f ggufwrite.File
	f.Add("unused", quant.F32, []int{1}, []float32{1})
	file, err := loader.FromBytes("empty", f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestStoreRounding compares every half, the midpoints between neighbours and the
// floats beside them, both signs, infinities and NaN with the reference's rounding.
func TestStoreRounding(t *testing.T) {
	long(t)
	var x []float32
	for h := range uint16(0x7c00) {
		a, b := quant.HalfToFloat(h), quant.HalfToFloat(h+1)
		mid := (a + b) / 2
		if h == 0x7bff {
			mid = 65520
		}
		for _, v := range []float32{a, mid, math.Nextafter32(mid, 0), math.Nextafter32(mid, 1e9)} {
			x = append(x, v, -v)
		}
	}
	inf := float32(math.Inf(1))
	x = append(x, inf, -inf, 1e30, -1e30, 1e-40, float32(math.NaN()))
	const cols = 1024
	n := (len(x) + cols - 1) / cols
	x = append(x, make([]float32, n*cols-len(x))...)

	d, file := openKernels(t, true), emptyFile(t)
	b := model.NewBuilder(file, room(n))
	r := b.Receive("x", cols)
	c := halves(b, "c", cols)
	b.Store(c, r)
	plan, err := b.Plan(r)
	if err != nil {
		t.Fatal(err)
	}
	be := newBench(d, lower.NewKernels(lowerable(d.Info())))
	defer be.Close()
	if err := be.Load(t.Context(), file, plan); err != nil {
		t.Fatal(err)
	}
	p, err := be.Compile(plan, rows(n))
	if err != nil {
		t.Fatal(err)
	}
	in := benchBatch(0, n, 0)
	in.Rows = x
	var out model.Outputs
	if err := p.Run(t.Context(), in, &out); err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i, w := range be.mem["c"][0].Words()[:n*cols/2] {
		for k, got := range []uint16{uint16(w), uint16(w >> 16)} {
			v := x[2*i+k]
			want := quant.FloatToHalf(min(65504, max(-65504, v)))
			if v-v != 0 { // an infinity is stored as NaN
				got, want = got&0x7fff, 0x7e00
			}
			if got != want && wrong < 10 {
				wrong++
				t.Errorf("%g is stored as %#04x, want %#04x", v, got, want)
			}
		}
	}
}

// TestAttentionShapes takes heads that are not whole quads, or wide, or grouped in
// odd ways, over a context of several splits or a window of it, in both types of
// memory, one token and a batch.
func TestAttentionShapes(t *testing.T) {
	long(t)
	d, file := openKernels(t, true), emptyFile(t)
	type shape struct {
		heads, kv, dimK, dimV, window int
		ty                            quant.Type
	}
	for _, h := range backendtest.Deal(t, []shape{
		{2, 2, 33, 31, 0, quant.F16}, {6, 2, 36, 20, 0, quant.F16}, {3, 1, 50, 64, 0, quant.F16}, {4, 1, 80, 96, 0, quant.F16},
		{7, 1, 128, 40, 0, quant.F16}, {16, 2, 64, 128, 0, quant.F16}, {2, 1, 256, 256, 0, quant.F16}, {1, 1, 8, 16, 0, quant.F16},
		{4, 2, 64, 64, 1, quant.F16}, {4, 2, 64, 64, 33, quant.F16}, {4, 2, 36, 64, 700, quant.F16}, {8, 1, 128, 128, 1000, quant.F16},
		{4, 2, 64, 64, 0, quant.F32}, {3, 3, 33, 31, 0, quant.F32}, {4, 2, 64, 128, 600, quant.F32},
		{6, 2, 96, 32, 0, quant.Q8_0}, {16, 2, 64, 128, 700, quant.Q8_0}, {2, 1, 256, 256, 0, quant.Q4_0}, {7, 1, 32, 160, 33, quant.Q4_0},
	}, func(h shape) string { return fmt.Sprint(h.ty, h.window > 0) }) {
		for _, n := range []int{1, 40} {
			const pos = 1100
			mem := func(b *model.Builder, name string, dim int) model.ID {
				m := model.Memory{Name: name, Type: h.ty, Cols: h.kv * dim, Window: h.window}
				if h.window > 0 {
					m.Per = model.Window
				}
				return b.Memory(m)
			}
			plan := func(build func(b *model.Builder) model.ID) *model.Plan {
				b := model.NewBuilder(file, room(pos+n))
				p, err := b.Plan(build(b))
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			fill := func(name string, dim int) *model.Plan {
				return plan(func(b *model.Builder) model.ID {
					x := b.Receive("x", h.kv*dim)
					b.Store(mem(b, name, dim), x)
					return x
				})
			}
			// Two plans fill the memory, from rows of the batch; the third attends.
			attend := plan(func(b *model.Builder) model.ID {
				q := b.Receive("q", h.heads*h.dimK)
				return b.Attention("a", q, mem(b, "k", h.dimK), mem(b, "v", h.dimV), h.heads, h.kv, float32(1/math.Sqrt(float64(h.dimK))))
			})
			run := func(be model.Backend) []float32 {
				defer be.Close()
				if err := be.Load(t.Context(), file, attend); err != nil {
					t.Fatal(err)
				}
				var out model.Outputs
				for i, p := range []*model.Plan{fill("k", h.dimK), fill("v", h.dimV), attend} {
					in := benchBatch(0, pos+n, 0)
					if i == 2 {
						in = benchBatch(pos, n, 0)
					}
					table := in.Seqs[0].Units[0]
					slices.Reverse(table) // out of order
					for j := range p.Pools[0].FirstSeen(int(in.Pos[0])) / model.PageLen {
						table[j] = -1 // given back
					}
					in.Rows = random(uint64(i+1), len(in.Pos)*p.Tensors[p.Hidden].Cols)
					for j := range in.Rows {
						in.Rows[j] *= 3
					}
					if width := h.kv * h.dimV; i == 1 && n > 1 { // no number, which tokens before it do not see
						in.Rows[(pos+n/2+1)*width+width/2] = float32(math.NaN())
					}
					prog, err := be.Compile(p, rows(len(in.Pos)))
					if err != nil {
						t.Fatal(err)
					}
					if err := prog.Run(t.Context(), in, &out); err != nil {
						t.Fatal(err)
					}
				}
				return slices.Clone(out.Rows)
			}
			want := run(reference(t))
			for _, load := range loadsOf(d) {
				if load == lower.LoadDot || load == lower.LoadCoop {
					continue // of products alone
				}
				got := run(newBench(d, kernelsWith(d, load)))
				for i := range want {
					if !sameBits(got[i], want[i]) {
						t.Errorf("%+v, %d tokens, load %q: %d is %g, want %g", h, n, load, i, got[i], want[i])
						break
					}
				}
			}
		}
	}
}

// TestMatMulSizes takes what the conformance suite leaves out: up to 512 rows of x
// in one plan, runs of fewer, weights in parts, short and odd rows.
func TestMatMulSizes(t *testing.T) {
	long(t)
	d := openKernels(t, true)
	for _, c := range []struct {
		ty        quant.Type
		m, k, max int
	}{
		{quant.Q4_K, 130, 256, 512}, {quant.Q6_K, 65, 768, 512}, {quant.Q8_0, 63, 96, 130}, {quant.Q4_0, 64, 32, 129},
		{quant.F32, 17, 35, 100}, {quant.F16, 3, 12, 100}, {quant.BF16, 129, 9, 20}, {quant.Q5_K, 1, 512, 64},
	} {
		var f ggufwrite.File
		f.Add("w", c.ty, []int{c.k, c.m}, random(5, c.m*c.k))
		file, err := loader.FromBytes("w", f.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		b := model.NewBuilder(file, room(c.max))
		plan, err := b.Plan(b.MatMul("y", b.Weight("w", c.m, c.k), b.Receive("x", c.k)))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 64, 65, c.max} {
			if n > c.max {
				continue
			}
			in := benchBatch(0, n, 0)
			in.Rows = random(uint64(n), n*c.k)
			want := answer(t, reference(t), file, plan, rows(c.max), in)
			for _, load := range loadsOf(d) {
				be := newBench(d, kernelsWith(d, load))
				be.split = int64(c.m) * 60
				sameAnswer(t, fmt.Sprintf("%s %d×%d, %d of %d rows, load %q", c.ty, c.m, c.k, n, c.max, load), answer(t, be, file, plan, rows(c.max), in).Rows, want.Rows)
			}
		}
	}
}

// TestSampleAgrees compares the tokens of many rows with Sampler.Pick, among them
// rows with ties, infinities, NaN, and no number at all.
func TestSampleAgrees(t *testing.T) {
	long(t)
	d, file := openKernels(t, true), emptyFile(t)
	const n = 64
	all := model.CompileOptions{Size: model.Size{Tokens: n, Want: n}}
	for _, vocab := range []int{1, 3, 200, 1025, 40000} {
		b := model.NewBuilder(file, room(n))
		plan, err := b.Plan(b.Sample("token", b.Gather("g", b.Receive("x", vocab))))
		if err != nil {
			t.Fatal(err)
		}
		for seed, how := range []sample.Params{
			{}, {Temp: 1, TopK: 256}, {Temp: 0.7, TopK: 40, TopP: 0.9, MinP: 0.02}, {Temp: 3, TopK: 100, MinP: 0.5}, {Temp: 0.2, TopK: 1000}, {Temp: 1},
		} {
			if !lower.SampledHere(how, vocab) {
				continue
			}
			in := benchBatch(0, n, 0)
			in.Rows, in.Want = random(uint64(seed), n*vocab), nil
			for i := range n {
				row := in.Rows[i*vocab:][:vocab]
				for j := range row {
					row[j] *= 5
					switch {
					case i == 1, i == 2 && j%2 == 0:
						row[j] = float32(math.NaN())
					case i == 3 || i == 4 && j > 1:
						row[j] = float32(math.Inf(-1))
					case i == 5:
						row[j] = float32(j % 2)
					case i == 6 && j == vocab/2:
						row[j] = float32(math.Inf(1))
					case i == 7 && j == vocab-1:
						row[j] = float32(math.Inf(-1))
					case i >= 8 && i < 16: // all but one lost in the sum: top-p keeps the one, in this order only
						row[j] = -17.7
						if j == vocab/2 {
							row[j] = 0
						}
					}
				}
				how := how
				if i >= 8 && i < 16 {
					how = sample.Params{Temp: 100, TopK: 256, TopP: 1 - 0x1p-24}
				}
				how.Seed = uint64(seed*1000 + i)
				in.Want, in.How = append(in.Want, int32(i)), append(in.How, how)
			}
			var s sample.Sampler
			for _, load := range []string{lower.LoadTexel, lower.LoadBuffer} { // a software device's sizes, a card's
				got := answer(t, newBench(d, kernelsWith(d, load)), file, plan, all, in).Tokens
				for i := range n {
					if want := s.Pick(in.Rows[i*vocab:][:vocab], in.How[i], in.Pos[i]); got[i] != want {
						t.Errorf("vocabulary %d, %+v, row %d, load %q: token %d, want %d", vocab, in.How[i], i, load, got[i], want)
					}
				}
			}
		}
	}
}

// TestDisable falls back to the next plainer variant, and says when there is none.
func TestDisable(t *testing.T) {
	d := openKernels(t, true)
	var f ggufwrite.File
	f.Add("w", quant.F32, []int{64, 3}, random(1, 3*64))
	file, err := loader.FromBytes("w", f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	k := kernelsWith(d, lower.LoadTexel)
	k.Only(lower.LoadTexel, lower.LoadBuffer, lower.LoadPlain)
	b := model.NewBuilder(file, room(1))
	plan, err := b.Plan(b.MatMul("y", b.Weight("w", 3, 64), b.Receive("x", 64)))
	if err != nil {
		t.Fatal(err)
	}
	in := benchBatch(0, 1, 0)
	in.Rows = random(2, 64)
	want := answer(t, reference(t), file, plan, rows(1), in)
	for _, kernel := range []string{"", "matvec_f32_texel", "matvec_f32"} {
		if kernel != "" {
			if more := k.Disable(kernel); more != (kernel == "matvec_f32_texel") {
				t.Errorf("Disable(%s) = %v", kernel, more)
			}
		}
		if kernel == "matvec_f32" {
			break
		}
		if got := answer(t, newBench(d, k), file, plan, rows(1), in); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("without %q: %v, want %v", kernel, got, want)
		}
	}
	for _, c := range []struct {
		kernel string
		more   bool
	}{{"matmul_q4_k", true}, {"matvec_q4_k_texel", true}, {"matvec_q4_k", false}, {"matmul_q4_k", false}, {"attention", true}, {"attention_texel", true}, {"attention_plain", false}, {"store", false}, {"rope_store", true}} {
		if more := k.Disable(c.kernel); more != c.more {
			t.Errorf("Disable(%s) = %v", c.kernel, more)
		}
	}
}
