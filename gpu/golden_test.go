//go:build cgo && !novulkan

package gpu

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eclat/cpu"
	"eclat/loader"
	"eclat/model"
)

const builtIn = "../testdata/sotu-8m-q4_k_m.gguf"

// runner is a model on a backend, with the pages of one sequence.
type runner struct {
	t     testing.TB
	m     *model.Model
	b     model.Backend
	table []int32
	pages int
}

func newRunner(t testing.TB, path string, b model.Backend, ctx int) *runner {
	t.Helper()
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{t: t, m: m, b: b, pages: model.Pages(ctx)}
	for i := range r.pages {
		r.table = append(r.table, int32(r.pages-1-i))
	}
	p, err := m.Plan(m.Whole(), 1, 1, r.pages)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Load(f, p.Keep()); err != nil {
		t.Fatal(err)
	}
	return r
}

// program compiles a plan; sample makes it end with tokens.
func (r *runner) program(tokens, logits int, sample bool) model.Program {
	r.t.Helper()
	st := r.m.Whole()
	st.Sample = sample
	plan, err := r.m.Plan(st, tokens, logits, r.pages)
	if err != nil {
		r.t.Fatal(err)
	}
	p, err := r.b.Compile(plan)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// inputs are the given ids from position pos; the logits of the last wanted of
// them are asked for.
func (r *runner) inputs(ids []int32, pos, wanted int) model.Inputs {
	in := model.Inputs{Tokens: ids, Pages: [][]int32{r.table}}
	for i := range ids {
		in.Pos, in.Seq = append(in.Pos, int32(pos+i)), append(in.Seq, 0)
		if i >= len(ids)-wanted {
			in.Want = append(in.Want, int32(i))
		}
	}
	in.Sampling = make([]model.Sampling, wanted)
	return in
}

// logProb is log softmax(x)[id].
func logProb(x []float32, id int32) float64 {
	top := x[model.Argmax(x)]
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v - top))
	}
	return float64(x[id]-top) - math.Log(sum)
}

// TestGolden holds log-probabilities to the float64 answer, once in one batch and
// once token by token.
func TestGolden(t *testing.T) {
	info := device(t)
	more, _ := filepath.Glob("../../shared/models/*.gguf")
	for _, path := range append([]string{builtIn}, more...) {
		data, err := os.ReadFile(strings.TrimSuffix(path, ".gguf") + ".golden.json")
		if err != nil {
			t.Fatal(err)
		}
		var g struct {
			IDs  []int32
			Rows []struct {
				LP *float64 `json:"exact_lp"`
			}
		}
		if err := json.Unmarshal(data, &g); err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			b, err := Open(info, strict(t, Options{}))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			r := newRunner(t, path, b, len(g.IDs))
			n, vocab := len(g.IDs), r.m.Config.NVocab
			var out model.Outputs
			judge := func(how string, row func(i int) []float32) {
				var sum float64
				for i := range n - 1 {
					sum += math.Abs(logProb(row(i), g.IDs[i+1]) - *g.Rows[i].LP)
				}
				mean := sum / float64(n-1)
				t.Logf("%s: mean |Δlp| %.6f; %d KiB", how, mean, b.Memory()>>10)
				if mean > 0.005 {
					t.Errorf("%s: mean |Δlp| %.6f, the limit is 0.005", how, mean)
				}
			}
			p := r.program(n, n, false)
			if err := p.Run(r.inputs(g.IDs, 0, n), &out); err != nil {
				t.Fatal(err)
			}
			judge("batch", func(i int) []float32 { return out.Result[i*vocab:][:vocab] })
			q := r.program(1, 1, false)
			judge("one by one", func(i int) []float32 {
				if err := q.Run(r.inputs(g.IDs[i:i+1], i, 1), &out); err != nil {
					t.Fatal(err)
				}
				return out.Result
			})
		})
	}
}

// greedy generates n tokens after the prompt and returns them.
func (r *runner) greedy(prompt []int32, n int) []int32 {
	r.t.Helper()
	pre, one := r.program(len(prompt), 1, true), r.program(1, 1, true)
	defer pre.Close()
	defer one.Close()
	var out model.Outputs
	if err := pre.Run(r.inputs(prompt, 0, 1), &out); err != nil {
		r.t.Fatal(err)
	}
	ids := []int32{out.Tokens[0]}
	for len(ids) < n {
		in := r.inputs(ids[len(ids)-1:], len(prompt)+len(ids)-1, 1)
		if err := one.Run(in, &out); err != nil {
			r.t.Fatal(err)
		}
		ids = append(ids, out.Tokens[0])
	}
	return ids
}

// TestGreedy: 200 greedy tokens of the built-in model equal ref's, twice.
func TestGreedy(t *testing.T) {
	info := device(t)
	prompt, n := []int32{1, 134, 165, 1127, 828, 331}, 200
	want := newRunner(t, builtIn, cpu.NewRef(), 256).greedy(prompt, n)
	b, err := Open(info, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r := newRunner(t, builtIn, b, 256)
	for range 2 {
		begin := time.Now()
		got := r.greedy(prompt, n)
		t.Logf("%.1f tokens/s", float64(n)/time.Since(begin).Seconds())
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("token %d is %d, ref says %d", i, got[i], want[i])
			}
		}
	}
}
