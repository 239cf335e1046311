// Package stagetime measures how long a device takes for a stage of a model, before
// anything of the model is loaded: with weights of zeros, of the stage's types and shapes,
// which may be computed with before their file is there. A device belongs to one Token at
// a time.
package stagetime

import (
	"context"
	"fmt"
	"slices"
	"time"

	"eclat/loader"
	"eclat/model"
)

// zeros are a stage's weights, each in memory of its own.
type zeros map[string]*loader.Tensor

func (z zeros) Tensor(name string) *loader.Tensor { return z[name] }
func (z zeros) Forget([]byte)                     {}

// newZeros makes the weights of a plan. Every page of them is written, so that reading
// them takes what reading a file's would.
func newZeros(m *model.Model, p *model.Plan) zeros {
	z := zeros{}
	for _, w := range p.Weights() {
		t := m.File.Tensor(w.Source())
		if t == nil || z[t.Name] != nil {
			continue
		}
		one := *t
		one.Data = make([]byte, t.Size)
		for at := 0; at < len(one.Data); at += 1 << 12 {
			one.Data[at] = 0
		}
		z[t.Name] = &one
	}
	return z
}

// Bytes is what Token takes of main memory, about: a stage's weights.
func Bytes(m *model.Model, st model.Stage) (n int64) {
	p, err := m.Describe(st, room)
	if err != nil {
		return 0
	}
	seen := map[string]bool{}
	for _, w := range p.Weights() {
		if t := m.File.Tensor(w.Source()); t != nil && !seen[t.Name] {
			seen[t.Name] = true
			n += t.Size
		}
	}
	return n
}

// room is that of one token.
var room = model.Room{Pages: 1, Seqs: 1, Chunk: 1}

// Limits of a measurement.
const (
	mostRuns = 31
	limit    = 300 * time.Millisecond
)

// Token returns what one token takes on a device, for a stage without the embedding: the
// median of some runs.
func Token(ctx context.Context, d model.Device, o model.OpenOptions, m *model.Model, st model.Stage) (time.Duration, error) {
	o.Progress = nil
	p, err := m.Describe(st, room)
	if err != nil {
		return 0, err
	}
	b, err := d.Open(ctx, o)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	if err := b.Load(ctx, newZeros(m, p), p); err != nil {
		return 0, err
	}
	want := 0
	if st.Head {
		want = 1
	}
	program, err := b.Compile(p, model.CompileOptions{Size: model.Size{Tokens: 1, Want: want}})
	if err != nil {
		return 0, fmt.Errorf("compile layers %d–%d for measuring: %w", st.First, st.End-1, err)
	}
	defer program.Close()
	in := model.Batch{Rows: make([]float32, p.Width()), Pos: make([]int32, p.Axes), Seqs: []model.SeqRun{{N: 1, Units: make([][]int32, len(p.Pools))}}}
	for i := range in.Rows {
		in.Rows[i] = float32(i%7) - 3
	}
	for pool := range p.Pools {
		in.Seqs[0].Units[pool] = []int32{0}
	}
	if st.Head {
		in.Want = []int32{0}
	}
	var runs []time.Duration
	var out model.Outputs
	for start := time.Now(); len(runs) < 2 || len(runs) < mostRuns && time.Since(start) < limit; {
		t := time.Now()
		if err := program.Run(ctx, &in, &out); err != nil {
			return 0, err
		}
		runs = append(runs, time.Since(t))
	}
	runs = runs[1:] // the first warms up
	slices.Sort(runs)
	return runs[len(runs)/2], nil
}
