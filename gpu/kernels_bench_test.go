//go:build cgo && !novulkan

package gpu

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"eclat/gpu/lower"
	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

// halves is memory of a row of float16 a position.
func halves(b *model.Builder, name string, cols int) model.ID {
	return b.Memory(model.Memory{Name: name, Type: quant.F16, Cols: cols})
}

// benchStep compiles and runs a plan of few steps and returns the shortest time
// of all its dispatches together.
func benchStep(b testing.TB, be *bench, f *ggufwrite.File, tokens, ctx int, in *model.Batch, build func(b *model.Builder) model.ID) (time.Duration, *benchRun) {
	b.Helper()
	file, err := loader.FromBytes("bench", f.Bytes())
	if err != nil {
		b.Fatal(err)
	}
	mb := model.NewBuilder(file, room(ctx))
	plan, err := mb.Plan(build(mb))
	if err != nil {
		b.Fatal(err)
	}
	in.Seqs[0].Units = in.Seqs[0].Units[:len(plan.Pools)]
	if err := be.Load(b.Context(), file, plan); err != nil {
		b.Fatal(err)
	}
	p, err := be.Compile(plan, rows(tokens))
	if err != nil {
		b.Fatal(err)
	}
	r := p.(*benchRun)
	r.timed = true
	best := time.Duration(1 << 62)
	var out model.Outputs
	if err := r.Run(b.Context(), in, &out); err != nil { // shaders compile at their first dispatch
		b.Fatal(err)
	}
	for start, n := time.Now(), 0; n < 5 || time.Since(start) < 500*time.Millisecond; n++ {
		if err := r.Run(b.Context(), in, &out); err != nil {
			b.Fatal(err)
		}
		best = min(best, r.times[len(r.times)-1]-r.times[0])
	}
	return best, r
}

// benchBatch is n tokens of one sequence from position pos, with rows of cols
// numbers, in memory that is in order; the last one's answer is wanted.
func benchBatch(pos, n, cols int) *model.Batch {
	table := make([]int32, model.Pages(pos+n))
	for i := range table {
		table[i] = int32(i)
	}
	in := &model.Batch{Seqs: []model.SeqRun{{N: n, Units: [][]int32{table}}}, Want: []int32{int32(n - 1)}, Rows: make([]float32, n*cols)}
	for i := range n {
		in.Pos = append(in.Pos, int32(pos+i))
	}
	for i := range in.Rows {
		in.Rows[i] = float32(i%17) * 0.1
	}
	return in
}

// BenchmarkMatMul prints GB/s of weights and GFLOP/s of each type, for one row and
// for more. ECLAT_BENCH_ROWS and ECLAT_BENCH_TYPES choose others.
func BenchmarkMatMul(b *testing.B) {
	rows := []int{1, 4, 64}
	if s := os.Getenv("ECLAT_BENCH_ROWS"); s != "" {
		rows = nil
		for _, n := range strings.Split(s, ",") {
			i, _ := strconv.Atoi(n)
			rows = append(rows, i)
		}
	}
	const m, k = 2048, 2048
	x := make([]float32, m*k)
	for i := range x {
		x[i] = float32((i*7919)%1001-500) * 1e-3
	}
	for _, ty := range []quant.Type{quant.F32, quant.F16, quant.BF16, quant.Q8_0, quant.Q4_0, quant.Q4_K, quant.Q5_K, quant.Q6_K} {
		if s := os.Getenv("ECLAT_BENCH_TYPES"); s != "" && !strings.Contains(","+s+",", ","+ty.String()+",") {
			continue
		}
		for _, n := range rows {
			b.Run(fmt.Sprintf("%s/%d", ty, n), func(b *testing.B) {
				d := openKernels(b, false)
				k_ := lower.NewKernels(lowerable(d.Info()))
				if s, ok := os.LookupEnv("ECLAT_BENCH_LOAD"); ok {
					k_.Only(s)
				}
				be := newBench(d, k_)
				be.split = 1 << 30
				defer be.Close()
				var f ggufwrite.File
				f.Add("w", ty, []int{k, m}, x)
				t, _ := benchStep(b, be, &f, n, n, benchBatch(0, n, k), func(b *model.Builder) model.ID {
					return b.MatMul("y", b.Weight("w", m, k), b.Receive("x", k))
				})
				size, _ := ty.RowBytes(m * k)
				b.ReportMetric(float64(size)/float64(t), "GB/s")
				b.ReportMetric(2*float64(m)*float64(k)*float64(n)/float64(t), "GFLOP/s")
				b.ReportMetric(float64(t.Microseconds()), "µs")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// synthetic is a llama-like model of random weights: Q4_K, and Q6_K for attn_v,
// ffn_down of every other layer and the head.
type synthetic struct{ layers, embd, ff, heads, kv, dim, vocab int }

func (m synthetic) file() *ggufwrite.File {
	var f ggufwrite.File
	x := make([]float32, max(m.embd, m.ff, m.heads*m.dim))
	for i := range x {
		x[i] = float32((i*7919)%1001-500) * 1e-4
	}
	pieces := map[string][]byte{}
	add := func(name string, ty quant.Type, rows, cols int) {
		key := fmt.Sprint(ty, cols)
		if pieces[key] == nil {
			pieces[key] = ggufwrite.Encode(ty, x[:cols])
		}
		f.Tensors = append(f.Tensors, ggufwrite.Tensor{Name: name, Type: ty, Dims: []int{cols, rows}, Data: pieces[key]})
	}
	add("token_embd", quant.Q4_K, m.vocab, m.embd)
	add("output", quant.Q6_K, m.vocab, m.embd)
	add("norm", quant.F32, 1, m.embd)
	for l := range m.layers {
		more := quant.Q4_K
		if l%2 == 0 {
			more = quant.Q6_K
		}
		add(fmt.Sprint("q", l), quant.Q4_K, m.heads*m.dim, m.embd)
		add(fmt.Sprint("k", l), quant.Q4_K, m.kv*m.dim, m.embd)
		add(fmt.Sprint("v", l), more, m.kv*m.dim, m.embd)
		add(fmt.Sprint("o", l), quant.Q4_K, m.embd, m.heads*m.dim)
		add(fmt.Sprint("gate", l), quant.Q4_K, m.ff, m.embd)
		add(fmt.Sprint("up", l), quant.Q4_K, m.ff, m.embd)
		add(fmt.Sprint("down", l), more, m.embd, m.ff)
	}
	return &f
}

func (m synthetic) build(b *model.Builder) model.ID {
	norm := b.Weight("norm", 1, m.embd)
	freq := make([]float64, m.dim/2)
	rope := b.Rope(model.Rope{Freq: freq, Scale: 1})
	x := b.Embed("x", b.Weight("token_embd", m.vocab, m.embd))
	for l := range m.layers {
		n := func(s string) string { return fmt.Sprint(s, l) }
		h := b.RMSNorm(n("attn_norm"), x, norm, 1e-5)
		q := b.RoPE(n("q_rope"), b.MatMul(n("attn_q"), b.Weight(n("q"), m.heads*m.dim, m.embd), h), m.dim, rope)
		k := b.RoPE(n("k_rope"), b.MatMul(n("attn_k"), b.Weight(n("k"), m.kv*m.dim, m.embd), h), m.dim, rope)
		v := b.MatMul(n("attn_v"), b.Weight(n("v"), m.kv*m.dim, m.embd), h)
		kc, vc := halves(b, n("k_cache"), m.kv*m.dim), halves(b, n("v_cache"), m.kv*m.dim)
		b.Store(kc, k)
		b.Store(vc, v)
		a := b.Attention(n("attention"), q, kc, vc, m.heads, m.kv, 0.1)
		x = b.Add(n("attn_residual"), x, b.MatMul(n("attn_output"), b.Weight(n("o"), m.embd, m.heads*m.dim), a))
		h = b.RMSNorm(n("ffn_norm"), x, norm, 1e-5)
		g, u := b.MatMul(n("ffn_gate"), b.Weight(n("gate"), m.ff, m.embd), h), b.MatMul(n("ffn_up"), b.Weight(n("up"), m.ff, m.embd), h)
		x = b.Add(n("ffn_residual"), x, b.MatMul(n("ffn_down"), b.Weight(n("down"), m.embd, m.ff), b.SwiGLU(n("swiglu"), g, u)))
	}
	h := b.RMSNorm("output_norm", b.Gather("g", x), norm, 1e-5)
	return b.Sample("token", b.MatMul("logits", b.Weight("output", m.vocab, m.embd), h))
}

// BenchmarkModel prints tokens/s of a small model, and where the time goes.
func BenchmarkModel(b *testing.B) {
	m := synthetic{8, 1024, 4096, 16, 4, 64, 32768}
	if s := os.Getenv("ECLAT_BENCH_MODEL"); s != "" {
		if _, err := fmt.Sscan(s, &m.layers, &m.embd, &m.ff, &m.heads, &m.kv, &m.dim, &m.vocab); err != nil {
			b.Fatal(err)
		}
	}
	f := m.file()
	for _, c := range []struct{ tokens, pos int }{{1, 100}, {1, 4000}, {4, 100}, {128, 0}, {512, 0}} {
		b.Run(fmt.Sprintf("%d at %d", c.tokens, c.pos), func(b *testing.B) {
			d := openKernels(b, false)
			be := newBench(d, lower.NewKernels(lowerable(d.Info())))
			be.split = 1 << 27
			defer be.Close()
			in := benchBatch(c.pos, c.tokens, 0)
			in.Tokens = make([]int32, c.tokens)
			in.How = []sample.Params{{Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}}
			t, r := benchStep(b, be, f, c.tokens, c.tokens+c.pos, in, m.build)
			b.ReportMetric(float64(c.tokens)/t.Seconds(), "tok/s")
			b.ReportMetric(0, "ns/op")
			sum, calls := map[string]time.Duration{}, map[string]int{}
			for i, d := range r.ds {
				key := d.Kernel
				if s := r.plan.Steps[r.steps[i]]; s.Op == model.MatMul {
					key += " " + strings.TrimRight(r.plan.Tensors[s.Dst].Name, "0123456789")
				}
				sum[key] += r.times[i+1] - r.times[i]
				calls[key]++
			}
			keys := slices.SortedFunc(maps.Keys(sum), func(a, b string) int { return cmp.Compare(sum[b], sum[a]) })
			for _, k := range keys {
				b.Logf("%9.3f ms %4d× %s", float64(sum[k].Microseconds())/1e3, calls[k], k)
			}
		})
	}
}

// BenchmarkAttention prints GB/s of keys and values, and GFLOP/s, for one token in
// a long context and for a batch.
func BenchmarkAttention(b *testing.B) {
	const heads, kv = 16, 4
	for _, c := range []struct{ tokens, pos, dim int }{{1, 4000, 64}, {1, 4000, 128}, {256, 0, 64}, {256, 0, 128}} {
		b.Run(fmt.Sprintf("%d at %d of %d", c.tokens, c.pos, c.dim), func(b *testing.B) {
			d := openKernels(b, false)
			be := newBench(d, lower.NewKernels(lowerable(d.Info())))
			defer be.Close()
			in := benchBatch(c.pos, c.tokens, heads*c.dim)
			var f ggufwrite.File
			f.Add("unused", quant.F32, []int{1}, []float32{1})
			t, _ := benchStep(b, be, &f, c.tokens, c.tokens+c.pos, in, func(b *model.Builder) model.ID {
				q := b.Receive("q", heads*c.dim)
				return b.Attention("a", q, halves(b, "k", kv*c.dim), halves(b, "v", kv*c.dim), heads, kv, 0.1)
			})
			pairs := float64(c.tokens) * (float64(c.pos) + float64(c.tokens+1)/2) // (token, position) seen
			b.ReportMetric(pairs*kv*float64(c.dim)*4/float64(t), "GB/s")
			b.ReportMetric(pairs*heads*float64(c.dim)*4/float64(t), "GFLOP/s")
			b.ReportMetric(float64(t.Microseconds()), "µs")
			b.ReportMetric(0, "ns/op")
		})
	}
}
