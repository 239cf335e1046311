package imatrix

import (
	"context"
	"fmt"
	"math"
	"strings"

	"eclat/engine"
	"eclat/engine/compare"
	"eclat/engine/perplexity"
	"eclat/model"
)

// Options says what to measure.
type Options struct {
	Window   int  // tokens of a window
	Limit    int  // most windows; 0 for all of the text
	Output   bool // measure the matrices outside the layers too: the output matrix
	Progress func(done, total int64)
}

// Matrix is a measurement.
type Matrix struct {
	Window  int // tokens of a window
	Windows int // that were run
	Sums    []Sums
}

// Sums are of one tensor of the file: a matrix, or one for each expert.
type Sums struct {
	Name    string    // of the tensor
	Cols    int       // of a matrix
	Squares []float64 // (matrices, cols) of what each column was multiplied by
	Counts  []int64   // (matrices) rows that were added
}

// Unused is how many of the tensor's matrices no row went to.
func (s *Sums) Unused() (n int) {
	for _, c := range s.Counts {
		if c == 0 {
			n++
		}
	}
	return n
}

// Probe is the probe that Collect opens, for engine.Options.Probe.
func Probe(e *engine.Engine, window int) engine.ProbeOptions { return compare.Probe(e, window, 0) }

// Collect runs a text, given as the tokens of the whole of it. A number that is not
// finite is an error that names the tensor; so is a text of less than a window, a
// *perplexity.TooShortError.
func Collect(ctx context.Context, e *engine.Engine, tokens []int32, o Options) (*Matrix, error) {
	if o.Window < 1 {
		return nil, fmt.Errorf("imatrix: a window of %d tokens", o.Window)
	}
	windows := perplexity.Cut(e, tokens, o.Window, o.Limit)
	if len(windows) == 0 {
		return nil, &perplexity.TooShortError{Tokens: len(tokens), Window: o.Window}
	}
	po := Probe(e, o.Window)
	p, err := e.NewProbe(ctx, po)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	c := collection{probe: p, matrix: &Matrix{Window: o.Window}}
	c.plan(e, o.Output, po.Tokens)
	for i, w := range windows {
		if err := p.Reset(ctx); err != nil {
			return nil, err
		}
		for at := 0; at < len(w); at += po.Tokens {
			if o.Progress != nil {
				o.Progress(int64(i*o.Window+at), int64(len(windows)*o.Window))
			}
			ids := w[at:min(at+po.Tokens, len(w))]
			if _, err := p.Run(ctx, ids); err != nil {
				return nil, err
			}
			if err := c.read(ctx, len(ids)); err != nil {
				return nil, err
			}
		}
		c.matrix.Windows++
	}
	return c.matrix, nil
}

// collection is a Matrix under construction.
type collection struct {
	probe    *engine.Probe
	matrix   *Matrix
	products []product
	rows     []float32 // (tokens, widest)
	routes   []float32
}

// product is a step whose input counts for a matrix.
type product struct {
	step   int
	sums   int // index in Matrix.Sums
	cols   int // elements in a row of the input
	routes int // words in a row of its experts and their weights; 0 where there are none
}

// plan lists the products of the probe, for runs of n tokens.
func (c *collection) plan(e *engine.Engine, output bool, n int) {
	index := map[string]int{}
	type input struct{ weight, rows string }
	seen := map[input]bool{}
	widest, most := 0, 0
	for i, st := range c.probe.Steps {
		t := e.Model.File.Tensor(st.Weight)
		if st.Op != model.MatMul && st.Op != model.MatMulExperts || t == nil {
			continue
		}
		if !strings.HasPrefix(st.Weight, "blk.") && !output {
			continue
		}
		p := product{step: i, cols: st.Src[1].Cols}
		experts := 1
		if st.Op == model.MatMulExperts {
			p.routes = st.Src[2].Cols
			if len(t.Dims) > 2 {
				experts = t.Dims[2]
			}
		}
		if in := (input{st.Weight, st.Src[1].Name}); seen[in] {
			continue
		} else {
			seen[in] = true
		}
		at, ok := index[st.Weight]
		if !ok {
			at = len(c.matrix.Sums)
			index[st.Weight] = at
			c.matrix.Sums = append(c.matrix.Sums, Sums{st.Weight, t.Dims[0], make([]float64, t.Dims[0]*experts), make([]int64, experts)})
		}
		p.sums = at
		c.products = append(c.products, p)
		widest, most = max(widest, p.cols), max(most, p.routes)
	}
	c.rows, c.routes = make([]float32, n*widest), make([]float32, n*most)
}

// read adds what the last run of n tokens multiplied by.
func (c *collection) read(ctx context.Context, n int) error {
	last := engine.ProbeSource{}
	for _, p := range c.products {
		st := &c.probe.Steps[p.step]
		if st.Src[1] != last { // neighbours often share their input
			if _, err := c.probe.ReadSource(ctx, p.step, 1, c.rows); err != nil {
				return err
			}
			last = st.Src[1]
		}
		s := &c.matrix.Sums[p.sums]
		if p.routes == 0 {
			for i := range n {
				s.add(0, c.rows[i*p.cols:][:p.cols])
			}
		} else if err := c.readExperts(ctx, p, s, n); err != nil {
			return err
		}
		for _, x := range s.Squares {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return fmt.Errorf("%w: %s is multiplied by it", engine.ErrNotFinite, s.Name)
			}
		}
	}
	return nil
}

// readExperts adds each row to the experts that it went to: the row itself, or for each
// of them its part of the row.
func (c *collection) readExperts(ctx context.Context, p product, s *Sums, n int) error {
	if _, err := c.probe.ReadSource(ctx, p.step, 2, c.routes); err != nil {
		return err
	}
	used := p.routes / 2
	for i := range n {
		row := c.rows[i*p.cols:][:p.cols]
		for j := range used {
			part := row
			if p.cols != s.Cols {
				part = row[j*s.Cols:][:s.Cols]
			}
			s.add(int(math.Float32bits(c.routes[i*p.routes+j])), part)
		}
	}
	return nil
}

// add counts a row for matrix m.
func (s *Sums) add(m int, row []float32) {
	squares := s.Squares[m*s.Cols:][:s.Cols]
	for j, x := range row {
		squares[j] += float64(x) * float64(x)
	}
	s.Counts[m]++
}
