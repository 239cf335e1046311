package conformance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
)

// test is a plan with its weights, and the runs whose answers are compared.
type test struct {
	later []func() // add the tensors to file, for the first that needs them: most tests are left out most of the time
	file  ggufwrite.File
	build func(b *model.Builder) model.ID // after all weights are in file
	room  model.Room
	opts  model.CompileOptions
	runs  func(p *model.Plan) []*model.Batch

	attend func(b *model.Builder, q, k, v model.ID, scale float32) model.ID // of a test of attention
}

// weight adds a random tensor of rows × cols to the file: random bits, of a type that the
// writer cannot encode.
func (c *test) weight(name string, ty quant.Type, rows, cols int) {
	if !ggufwrite.CanEncode(ty) {
		c.later = append(c.later, func() { c.anyBits(name, ty, rows, cols) })
		return
	}
	c.later = append(c.later, func() {
		c.file.Add(name, ty, []int{cols, rows}, values(uint64(len(name)*1000+rows+cols), rows*cols, 1))
	})
}

// tensor adds a tensor with the elements of x, of a type that the writer can encode.
func (c *test) tensor(name string, ty quant.Type, rows, cols int, x []float32) {
	c.later = append(c.later, func() { c.file.Add(name, ty, []int{cols, rows}, x) })
}

// written is the file with all tensors.
func (c *test) written() *ggufwrite.File {
	for _, add := range c.later {
		add()
	}
	c.later = nil
	return &c.file
}

// anyBits adds a tensor of random blocks, with bits that no encoder makes: of a block
// all elements are finite, and the largest is of ordinary size.
func (c *test) anyBits(name string, ty quant.Type, rows, cols int) {
	elems, size := ty.Block()
	n := rows * cols / elems
	data, x := make([]byte, n*size), make([]float32, elems)
	r := rand.NewPCG(uint64(len(name)*1000+rows), uint64(cols))
	for i := range n {
		block := data[i*size:][:size]
		for {
			for j := range block {
				block[j] = byte(r.Uint64())
			}
			quant.Decode(ty, x, block)
			var most float32
			for _, v := range x {
				if v = max(v, -v); v != v || v > most {
					most = v
				}
			}
			if most >= 0.25 && most <= 4 {
				break
			}
		}
	}
	c.file.Tensors = append(c.file.Tensors, ggufwrite.Tensor{Name: name, Type: ty, Dims: []int{cols, rows}, Data: data})
}

// rig is a test's plan on a loaded backend.
type rig struct {
	plan     *model.Plan
	file     *loader.File
	be       model.Backend
	programs []model.Program
}

// with loads the test's plan on a backend and calls use. Programs are closed before
// the backend, that before the file.
func (c *test) with(open Opener, use func(r *rig) error) (err error) {
	f, err := loader.FromBytes("test", c.written().Bytes())
	if err != nil {
		return err
	}
	defer f.Close()
	b := model.NewBuilder(f, c.room)
	plan, err := b.Plan(c.build(b))
	if err != nil {
		return err
	}
	be, err := open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, be.Close()) }()
	info := be.Info()
	if err := info.Lacks(plan); err != nil {
		return lacks{err}
	}
	if err := be.Load(context.Background(), f, plan); err != nil {
		return err
	}
	r := &rig{plan: plan, file: f, be: be}
	defer func() {
		for _, p := range slices.Backward(r.programs) {
			err = errors.Join(err, p.Close())
		}
	}()
	return use(r)
}

// compile makes a program of the rig's plan.
func (r *rig) compile(o model.CompileOptions) (model.Program, error) {
	o.Want = max(1, o.Want)
	p, err := r.be.Compile(r.plan, o)
	if err != nil {
		return nil, err
	}
	r.programs = append(r.programs, p)
	return p, nil
}

// answer is what one run gave: copies.
type answer struct {
	rows   []float32 // of a plan that samples, those with How.Logits
	cols   int
	tokens []int32
}

// row returns row i.
func (a *answer) row(i int) []float32 { return a.rows[i*a.cols:][:a.cols] }

// run computes a batch and checks the form of the answer.
func (r *rig) run(p model.Program, b *model.Batch) (a answer, err error) {
	var out model.Outputs
	if err := p.Run(context.Background(), b, &out); err != nil {
		return a, err
	}
	a.cols = r.plan.Tensors[r.plan.Answer()].Cols
	n := r.plan.Rows(r.plan.Answer(), b.Size(r.plan))
	if !r.plan.Samples() {
		if len(out.Rows) != n*a.cols || out.Tokens != nil {
			return a, fmt.Errorf("%d values and %d tokens, want %d rows of %d", len(out.Rows), len(out.Tokens), n, a.cols)
		}
		a.rows = slices.Clone(out.Rows)
		return a, nil
	}
	want := 0
	if b.LogitsWanted() {
		want = n * a.cols
	}
	if len(out.Tokens) != n || len(out.Rows) != want {
		return a, fmt.Errorf("%d tokens and %d logits, want %d and %d", len(out.Tokens), len(out.Rows), n, want)
	}
	a.tokens = slices.Clone(out.Tokens)
	for i, how := range b.How {
		if how.Logits {
			a.rows = append(a.rows, out.Rows[i*a.cols:][:a.cols]...)
		}
	}
	return a, nil
}

// answers runs the test on a backend.
func (c *test) answers(open Opener) (out []answer, err error) {
	err = c.with(open, func(r *rig) error {
		p, err := r.compile(c.opts)
		if err != nil {
			return err
		}
		for i, b := range c.runs(r.plan) {
			a, err := r.run(p, b)
			if err != nil {
				return fmt.Errorf("run %d: %w", i, err)
			}
			out = append(out, a)
		}
		return nil
	})
	return out, err
}

// refFails marks an error of the reference: it is nobody's excuse.
func refFails(err error) error { return fmt.Errorf("reference: %v", err) }

// agree compares the answers of all runs bit by bit and returns the largest error.
func agree(want, got []answer, limit float64) (most float64, err error) {
	for i := range want {
		w, g := &want[i], &got[i]
		e := NMSE(w.rows, g.rows)
		if !sameBits(w.rows, g.rows) {
			return e, fmt.Errorf("run %d: other bits, error %.3g; %s", i, e, worst(w.rows, g.rows))
		}
		if !slices.Equal(w.tokens, g.tokens) {
			return e, fmt.Errorf("run %d: tokens %v, want %v", i, g.tokens, w.tokens)
		}
		most = max(most, e)
	}
	return most, nil
}

// compared makes a case of a test: the answers of both backends agree in every run.
func compared(op, name string, limit float64, c *test) *Case {
	return looked(op, name, limit, c.answers, nil)
}

// looked makes a case of runs whose answers look is shown before they are compared; nil
// looks at nothing. It may say what else is wrong with them, and take off what need not agree.
func looked(op, name string, limit float64, run func(Opener) ([]answer, error), look func(want, got []answer) error) *Case {
	return &Case{Op: op, Name: name, Limit: limit, check: func(_ *Case, openRef, open Opener) (float64, error) {
		want, err := run(openRef)
		if err != nil {
			return 0, refFails(err)
		}
		got, err := run(open)
		if err != nil {
			return 0, err
		}
		if look != nil {
			if err := look(want, got); err != nil {
				return 0, err
			}
		}
		return agree(want, got, limit)
	}}
}

// typed notes the type a case is about.
func typed(ty quant.Type, c *Case) *Case {
	c.Type = ty.String()
	return c
}

// values returns n numbers, nearly normal, the same for the same seed. Every
// hundredth is large times its size, as activations of real models are.
func values(seed uint64, n int, large float32) []float32 {
	out := make([]float32, n)
	r := rand.NewPCG(seed, 1)
	for i := range out {
		sum, bits := -2.0, r.Uint64() // four uniform numbers, less their mean
		for range 4 {
			sum += float64(bits&0xffff) / 0x10000
			bits >>= 16
		}
		out[i] = float32(sum * 1.7)
		if i%100 == 37 {
			out[i] *= large
		}
	}
	return out
}

// fixed gives the same batches for any plan.
func fixed(batches ...*model.Batch) func(*model.Plan) []*model.Batch {
	return func(*model.Plan) []*model.Batch { return batches }
}

// rowsOnly returns a batch of n hidden rows of cols elements from position pos, of a
// plan without memory.
func rowsOnly(pos, n, cols int, seed uint64) *model.Batch {
	b := &model.Batch{Rows: values(seed, n*cols, 1), Seqs: []model.SeqRun{{N: n}}}
	for i := range n {
		b.Pos = append(b.Pos, int32(pos+i))
	}
	return b
}

// scaled multiplies the rows of a batch.
func scaled(b *model.Batch, by float32) *model.Batch {
	for i := range b.Rows {
		b.Rows[i] *= by
	}
	return b
}

// nan is a number that none is.
var nan, inf = float32(math.NaN()), float32(math.Inf(1))
