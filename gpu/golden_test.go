//go:build cgo && !novulkan

package gpu

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/sample"
)

const builtIn = "../testdata/sotu-8m-q4_k_m.gguf"

// runner is a model on a backend, with the pages of one sequence.
type runner struct {
	t     testing.TB
	m     *model.Model
	b     model.Backend
	units [][]int32
	room  model.Room
}

func newRunner(t testing.TB, path string, b model.Backend, ctx int) *runner {
	t.Helper()
	r := &runner{t: t, m: backendtest.Open(t, path), b: b, room: model.Room{Pages: model.Pages(ctx), Seqs: 1, Chunk: ctx}}
	p, err := r.m.Plan(r.m.Whole(), r.room)
	if err != nil {
		t.Fatal(err)
	}
	r.units = backwards(p)
	if err := b.Load(t.Context(), r.m.File, p); err != nil {
		t.Fatal(err)
	}
	return r
}

// backwards is a sequence's memory that takes all units of every pool, the last first.
func backwards(p *model.Plan) (units [][]int32) {
	for _, pool := range p.Pools {
		var table []int32
		for i := range pool.Units {
			table = append(table, int32(pool.Units-1-i))
		}
		units = append(units, table)
	}
	return units
}

// compile compiles the whole model; sample makes the plan end with tokens.
func (r *runner) compile(o model.CompileOptions, sample bool) model.Program {
	r.t.Helper()
	st := r.m.Whole()
	st.Sample = sample
	plan, err := r.m.Plan(st, r.room)
	if err != nil {
		r.t.Fatal(err)
	}
	p, err := r.b.Compile(plan, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *runner) program(tokens, want int, sample bool) model.Program {
	r.t.Helper()
	return r.compile(model.CompileOptions{Size: model.Size{Tokens: tokens, Want: want}}, sample)
}

// batch is the given ids from position pos; the answers of the last wanted of them
// are asked for.
func (r *runner) batch(ids []int32, pos, wanted int) *model.Batch {
	in := &model.Batch{Tokens: ids, Seqs: []model.SeqRun{{N: len(ids), Units: r.units}}, How: make([]sample.Params, wanted)}
	for i := range ids {
		in.Pos = append(in.Pos, int32(pos+i))
		if i >= len(ids)-wanted {
			in.Want = append(in.Want, int32(i))
		}
	}
	return in
}

// logProb is log softmax(x)[id].
func logProb(x []float32, id int32) float64 {
	top := x[sample.Argmax(x)]
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v - top))
	}
	return float64(x[id]-top) - math.Log(sum)
}

// TestGolden holds log-probabilities to the float64 answer, once in one batch and
// once token by token.
func TestGolden(t *testing.T) {
	long(t)
	testDevice(t)
	more, _ := filepath.Glob("../../shared/models/*.gguf")
	for _, path := range append([]string{builtIn}, backendtest.Deal(t, more, func(string) string { return "" })...) {
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
			b := openTest(t, options{})
			r := newRunner(t, path, b, len(g.IDs))
			n, vocab := len(g.IDs), r.m.Config.NVocab
			var out model.Outputs
			judge := func(how string, row func(i int) []float32) {
				var sum float64
				for i := range n - 1 {
					sum += math.Abs(logProb(row(i), g.IDs[i+1]) - *g.Rows[i].LP)
				}
				mean := sum / float64(n-1)
				t.Logf("%s: mean |Δlp| %.6f; %d KiB", how, mean, b.Info().Held>>10)
				if mean > 0.005 {
					t.Errorf("%s: mean |Δlp| %.6f, the limit is 0.005", how, mean)
				}
			}
			p := r.program(n, n, false)
			if err := p.Run(t.Context(), r.batch(g.IDs, 0, n), &out); err != nil {
				t.Fatal(err)
			}
			judge("batch", func(i int) []float32 { return out.Rows[i*vocab:][:vocab] })
			q := r.program(1, 1, false)
			judge("one by one", func(i int) []float32 {
				if err := q.Run(t.Context(), r.batch(g.IDs[i:i+1], i, 1), &out); err != nil {
					t.Fatal(err)
				}
				return out.Rows
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
	if err := pre.Run(r.t.Context(), r.batch(prompt, 0, 1), &out); err != nil {
		r.t.Fatal(err)
	}
	ids := []int32{out.Tokens[0]}
	for len(ids) < n {
		in := r.batch(ids[len(ids)-1:], len(prompt)+len(ids)-1, 1)
		if err := one.Run(r.t.Context(), in, &out); err != nil {
			r.t.Fatal(err)
		}
		ids = append(ids, out.Tokens[0])
	}
	return ids
}

// TestGreedy: 200 greedy tokens of the built-in model equal the reference's, twice.
func TestGreedy(t *testing.T) {
	long(t)
	testDevice(t)
	prompt, n := []int32{1, 134, 165, 1127, 828, 331}, 200
	want := newRunner(t, builtIn, reference(t), 256).greedy(prompt, n)
	r := newRunner(t, builtIn, openTest(t, options{}), 256)
	for range 2 {
		if got := r.greedy(prompt, n); !slices.Equal(got, want) {
			t.Fatalf("%d, the reference says %d", got, want)
		}
	}
}
