// Package stagetime measures how long a device takes for a stage of a model, before
// anything of the model is loaded: with weights of zeros, of the stage's types and shapes,
// which may be computed with before their file is there. A device belongs to one Token at
// a time.
package stagetime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
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

// depth is the position of the token that is timed: what it reads of the memory of those
// before it is a part of its time.
const depth = 4*model.PageLen - 1

// room is that of one sequence so long.
var room = model.Room{Pages: model.Pages(depth + 1), Seqs: 1, Chunk: 1}

// Limits of a measurement.
const (
	mostRuns = 31
	limit    = 300 * time.Millisecond
)

// turn lets one call of Several at a time be measured: two would see each other, where the
// stages of a model take turns.
var turn sync.Mutex

// Timer has a stage without the embedding on a device, to run a token through it again and
// again. It belongs to one goroutine.
type Timer struct {
	backend model.Backend
	program model.Program
	in      model.Batch
	out     model.Outputs
}

// Open loads a stage.
func Open(ctx context.Context, d model.Device, o model.OpenOptions, m *model.Model, st model.Stage) (*Timer, error) {
	o.Progress = nil
	p, err := m.Describe(st, room)
	if err != nil {
		return nil, err
	}
	t := &Timer{in: Batch(p)}
	if st.Head {
		t.in.Want = []int32{0}
	}
	if t.backend, err = d.Open(ctx, o); err != nil {
		return nil, err
	}
	if err := t.backend.Load(ctx, newZeros(m, p), p); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	if t.program, err = t.backend.Compile(p, model.CompileOptions{Size: model.Size{Tokens: 1, Want: len(t.in.Want)}}); err != nil {
		return nil, errors.Join(fmt.Errorf("compile layers %d–%d for measuring: %w", st.First, st.End-1, err), t.Close())
	}
	return t, nil
}

// Plan describes the stage that a Timer has.
func Plan(m *model.Model, st model.Stage) (*model.Plan, error) { return m.Describe(st, room) }

// Batch is the token that a Timer runs, of a plan of Plan.
func Batch(p *model.Plan) model.Batch {
	b := model.Batch{Rows: make([]float32, p.Width()), Pos: make([]int32, p.Axes), Seqs: []model.SeqRun{{N: 1, Units: make([][]int32, len(p.Pools))}}}
	for i := range b.Rows {
		b.Rows[i] = float32(i%7) - 3
	}
	for i := range b.Pos {
		b.Pos[i] = depth
	}
	for pool, k := range p.Pools {
		units := 1
		if k.Per != model.Sequence {
			units = room.Pages
		}
		for u := range units { // of a window the last ones, the others are not looked at
			b.Seqs[0].Units[pool] = append(b.Seqs[0].Units[pool], int32(max(-1, u-units+min(units, k.Units))))
		}
	}
	return b
}

// Run returns what a token took. Its rows, (1, Plan.Width) where the stage has no head,
// stand until the next Run.
func (t *Timer) Run(ctx context.Context) (took time.Duration, rows []float32, err error) {
	start := time.Now()
	err = t.program.Run(ctx, &t.in, &t.out)
	return time.Since(start), t.out.Rows, err
}

// Close frees the stage.
func (t *Timer) Close() (err error) {
	if t.program != nil {
		err = t.program.Close()
	}
	return errors.Join(err, t.backend.Close())
}

// Several calls once, until enough has been measured, and returns the medians of what it
// returns. The first call warms up. Calls of all who measure take turns.
func Several(once func() (a, b time.Duration, err error)) (a, b time.Duration, err error) {
	var as, bs []time.Duration
	for start := time.Now(); len(as) < 4 || len(as) < mostRuns && time.Since(start) < limit; {
		turn.Lock()
		a, b, err = once()
		turn.Unlock()
		if err != nil {
			return 0, 0, err
		}
		as, bs = append(as, a), append(bs, b)
	}
	return median(as[1:]), median(bs[1:]), nil
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// Token returns what one token takes on a device, for a stage without the embedding: the
// median of some runs.
func Token(ctx context.Context, d model.Device, o model.OpenOptions, m *model.Model, st model.Stage) (time.Duration, error) {
	t, err := Open(ctx, d, o, m, st)
	if err != nil {
		return 0, err
	}
	took, _, err := Several(func() (took, _ time.Duration, err error) { took, _, err = t.Run(ctx); return took, 0, err })
	return took, errors.Join(err, t.Close())
}
