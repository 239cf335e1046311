package backendtest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/model"
)

// Limits on the normalised mean squared error Σ(a−b)²/Σa² against the reference.
const (
	LimitExact = 1e-7 // ops on float32
	LimitQuant = 1e-6 // matmul and attention with rounded weights, float32 activations
)

// Types are the weight types every backend computes with.
var Types = []loader.Type{loader.F32, loader.F16, loader.BF16, loader.Q8_0, loader.Q4_0, loader.Q4_K, loader.Q5_K, loader.Q6_K}

// Run holds the backend that open returns against the reference, op by op.
func Run(t *testing.T, openRef, open func() (model.Backend, error)) {
	s := &suite{openRef, open}
	t.Run("embed", s.embed)
	t.Run("rmsnorm", s.rmsnorm)
	t.Run("matmul", s.matmul)
	t.Run("rope", s.rope)
	t.Run("attention", s.attention)
	t.Run("sequences", s.sequences)
	t.Run("elementwise", s.elementwise)
	t.Run("sample", s.sample)
	t.Run("repeat", s.repeat)
	t.Run("inputs", s.inputs)
	t.Run("trace", s.trace)
}

type suite struct{ openRef, open func() (model.Backend, error) }

// values returns n numbers, nearly normal, the same for the same seed. Every
// hundredth is large times its size, as activations of real models are.
func values(seed uint64, n int, large float32) []float32 {
	out := make([]float32, n)
	for i := range out {
		var sum float32
		for k := range uint32(4) {
			sum += model.Uniform(seed, uint32(i)*4+k) - 0.5
		}
		out[i] = sum * 1.7
		if i%100 == 37 {
			out[i] *= large
		}
	}
	return out
}

// test is one plan with its weights and the runs that lead to the compared answer.
type test struct {
	file   ggufwrite.File
	build  func(b *model.Builder) model.ID // after all weights are in file
	tokens int                             // of the plan
	logits int
	pages  int
	runs   []model.Inputs // the answer of each is compared
	limit  float64
}

// weight adds a random tensor of rows × cols to the file.
func (c *test) weight(name string, ty loader.Type, rows, cols int) {
	dims := []int{cols, rows}
	c.file.Add(name, ty, dims, values(uint64(len(name)*1000+rows+cols), rows*cols, 1))
}

// answer runs the test on a backend and returns every run's result.
func (c *test) answer(t *testing.T, open func() (model.Backend, error)) (results [][]float32, tokens [][]int32) {
	t.Helper()
	f, err := loader.FromBytes("test", c.file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := model.NewBuilder(f, c.tokens, max(1, c.logits), max(1, c.pages))
	plan, err := b.Plan(c.build(b))
	if err != nil {
		t.Fatal(err)
	}
	be, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	if err := be.Load(f, plan.Keep()); err != nil {
		t.Fatal(err)
	}
	p, err := be.Compile(plan)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, in := range c.runs {
		var out model.Outputs
		if err := p.Run(in, &out); err != nil {
			t.Fatal(err)
		}
		results = append(results, slices.Clone(out.Result))
		tokens = append(tokens, slices.Clone(out.Tokens))
	}
	return results, tokens
}

// compare runs the test on both backends and judges every run.
func (s *suite) compare(t *testing.T, c *test) {
	t.Helper()
	want, wantTokens := c.answer(t, s.openRef)
	got, gotTokens := c.answer(t, s.open)
	for i := range want {
		if e := NMSE(want[i], got[i]); !(e <= c.limit) {
			t.Errorf("run %d: NMSE %.3g, the limit is %.0g; %s", i, e, c.limit, worst(want[i], got[i]))
		}
		if !slices.Equal(wantTokens[i], gotTokens[i]) {
			t.Errorf("run %d: tokens %v, want %v", i, gotTokens[i], wantTokens[i])
		}
	}
}

// NMSE is Σ(a−b)²/Σa²: 0 when both are empty or zero, NaN for unequal lengths.
func NMSE(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var diff, norm float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		diff += d * d
		norm += float64(a[i]) * float64(a[i])
	}
	if diff == 0 {
		return 0
	}
	return diff / norm
}

// worst describes the largest difference.
func worst(want, got []float32) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d values, want %d", len(got), len(want))
	}
	at, most := 0, -1.0
	for i := range want {
		if d := math.Abs(float64(want[i]) - float64(got[i])); d > most || d != d {
			at, most = i, d
		}
	}
	return fmt.Sprintf("worst at %d of %d: %g, want %g", at, len(want), got[at], want[at])
}

// stream returns the inputs of n tokens of sequence 0 from position pos, with
// hidden rows of cols elements.
func stream(pos, n, cols int, table []int32, seed uint64) model.Inputs {
	in := model.Inputs{Hidden: values(seed, n*cols, 1), Pages: [][]int32{table}}
	for i := range n {
		in.Pos = append(in.Pos, int32(pos+i))
		in.Seq = append(in.Seq, 0)
	}
	return in
}

// shuffled returns a block table of n pages that is out of order.
func shuffled(n int) []int32 {
	table := make([]int32, n)
	for i := range table {
		table[i] = int32((i*7 + 3) % n)
	}
	if n%7 == 0 { // 7 and n must be coprime for a permutation
		for i := range table {
			table[i] = int32(n - 1 - i)
		}
	}
	return table
}
