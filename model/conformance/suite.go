package conformance

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
)

// Limits on the normalised mean squared error Σ(a−b)²/Σa² against the reference.
const (
	LimitExact = 1e-7 // ops on float32
	LimitQuant = 1e-6 // matmul and attention with rounded weights, float32 activations
)

// Types are the weight types every backend computes with.
var Types = []quant.Type{quant.F32, quant.F16, quant.BF16, quant.Q8_0, quant.Q4_0, quant.Q4_K, quant.Q5_K, quant.Q6_K}

// Opener makes a fresh backend.
type Opener func() (model.Backend, error)

// Case is one comparison of a backend with the reference.
type Case struct {
	Op    string  // "matmul"
	Type  string  // of the weight, where the op has one: "Q4_K"
	Name  string  // of the case within its op: "Q4_K 70×1280"
	Long  bool    // takes seconds on a slow device
	Limit float64 // on the normalised mean squared error; 0 where a case is right or wrong
	check func(c *Case, openRef, open Opener) (float64, error)
}

// Result is how a case went.
type Result struct {
	Err  float64 // the largest normalised mean squared error of its runs
	Fail string  // why the case failed; empty when it passed
}

// Check runs the case. An error in running is a failed case too.
func (c *Case) Check(openRef, open Opener) Result {
	e, err := c.check(c, openRef, open)
	r := Result{Err: e}
	switch {
	case err != nil:
		r.Fail = err.Error()
	case !(e <= c.Limit):
		r.Fail = fmt.Sprintf("error %.3g is above the limit %.0g", e, c.Limit)
	}
	return r
}

// Cases lists the whole suite.
func Cases() []*Case {
	return slices.Concat(embed(), rmsnorm(), matmul(), rope(), attention(), sequences(), elementwise(), sample(), behaviour())
}

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
	trace  bool
	runs   []model.Inputs // the answer of each is compared
}

// weight adds a random tensor of rows × cols to the file.
func (c *test) weight(name string, ty quant.Type, rows, cols int) {
	dims := []int{cols, rows}
	c.file.Add(name, ty, dims, values(uint64(len(name)*1000+rows+cols), rows*cols, 1))
}

// with compiles the test's plan on a backend and calls use.
func (c *test) with(open Opener, use func(plan *model.Plan, p model.Program) error) (err error) {
	f, err := loader.FromBytes("test", c.file.Bytes())
	if err != nil {
		return err
	}
	defer f.Close()
	b := model.NewBuilder(f, c.tokens, max(1, c.logits), max(1, c.pages))
	plan, err := b.Plan(c.build(b))
	if err != nil {
		return err
	}
	plan.Trace = c.trace
	be, err := open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, be.Close()) }()
	if err := be.Load(f, plan.Keep()); err != nil {
		return err
	}
	p, err := be.Compile(plan)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(p.Close(), err) }()
	return use(plan, p)
}

// answer is the result of one run.
type answer struct {
	result []float32
	tokens []int32
}

// answers runs the test on a backend.
func (c *test) answers(open Opener) (out []answer, err error) {
	err = c.with(open, func(_ *model.Plan, p model.Program) error {
		for i, in := range c.runs {
			var o model.Outputs
			if err := p.Run(in, &o); err != nil {
				return fmt.Errorf("run %d: %w", i, err)
			}
			out = append(out, answer{slices.Clone(o.Result), slices.Clone(o.Tokens)})
		}
		return nil
	})
	return out, err
}

// compared makes a case of a test: every run on both backends, the largest error.
func compared(op, name string, limit float64, c *test) *Case {
	return &Case{Op: op, Name: name, Limit: limit, check: func(_ *Case, openRef, open Opener) (float64, error) {
		want, err := c.answers(openRef)
		if err != nil {
			return 0, fmt.Errorf("reference: %w", err)
		}
		got, err := c.answers(open)
		if err != nil {
			return 0, err
		}
		most := 0.0
		for i := range want {
			e := NMSE(want[i].result, got[i].result)
			if !(e <= limit) {
				return e, fmt.Errorf("run %d: error %.3g is above the limit %.0g; %s", i, e, limit, worst(want[i].result, got[i].result))
			}
			if !slices.Equal(want[i].tokens, got[i].tokens) {
				return e, fmt.Errorf("run %d: tokens %v, want %v", i, got[i].tokens, want[i].tokens)
			}
			most = max(most, e)
		}
		return most, nil
	}}
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
