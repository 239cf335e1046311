package conformance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"eclat/loader/quant"
	"eclat/model"
)

// TestEveryOpHasCases: an op, or a type, that is added without cases fails here.
func TestEveryOpHasCases(t *testing.T) {
	ops, types := map[string]int{}, map[string]int{}
	names := map[string]bool{}
	for _, c := range Cases() {
		ops[c.Op]++
		types[c.Op+" "+c.Type]++
		if names[c.Op+"/"+c.Name] {
			t.Errorf("two cases are named %s/%s", c.Op, c.Name)
		}
		names[c.Op+"/"+c.Name] = true
	}
	for _, op := range model.Ops() {
		if ops[op.String()] == 0 {
			t.Errorf("no case for %s", op)
		}
	}
	for _, ty := range quant.Decodable() {
		for _, op := range []model.Op{model.Embed, model.MatMul, model.RMSNorm, model.Add} {
			if types[fmt.Sprint(op, " ", ty)] == 0 {
				t.Errorf("no case for %s with weights of type %s", op, ty)
			}
		}
	}
}

// TestMiniature: the small model that batches and behaviour are tried with has every
// op and every kind of memory.
func TestMiniature(t *testing.T) {
	c := miniature(4, 4, true)
	c.room = model.Room{Pages: 2, Seqs: 2, Chunk: 4}
	err := c.with(func() (model.Backend, error) { return &toy{}, nil }, func(r *rig) error {
		for _, op := range model.Ops() {
			if !slices.ContainsFunc(r.plan.Steps, func(s model.Step) bool { return s.Op == op }) {
				t.Errorf("no step is %s", op)
			}
		}
		if len(r.plan.Pools) != 3 {
			t.Errorf("pools %v", r.plan.Pools)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestCast: what the cast writes passes Check, gives pages back and takes them again,
// and a sequence is fed the same in any company.
func TestCast(t *testing.T) {
	c := miniature(80, 4, false)
	c.room = model.Room{Pages: 16, Seqs: 3, Chunk: 40}
	err := c.with(func() (model.Backend, error) { return &toy{}, nil }, func(r *rig) error {
		together, alone := newCast(r.plan), newCast(r.plan)
		together.rows = func(seq, pos int) bool { return pos%3 == 1 }
		alone.rows = together.rows
		var given, taken int
		held := map[int32]bool{}
		for i := range 30 {
			n := 1 + i*i%40
			if together.actor(0).pos+n > 120 {
				break
			}
			b := together.batch(turn{1, 1 + i%2}, turn{0, n}, turn{2, 1})
			if err := b.Check(r.plan, c.opts.Size); err != nil {
				t.Fatal(err)
			}
			for _, u := range b.Seqs[1].Units[1] {
				if u < 0 {
					given++
				} else if held[u] {
					taken++
				} else {
					held[u] = true
				}
			}
			own := alone.batch(turn{0, n})
			from := 1 + i%2
			if !slices.Equal(b.Tokens[from:from+n], own.Tokens) || !slices.Equal(b.Pos[from:from+n], own.Pos) {
				t.Fatalf("run %d: sequence 0 is fed other tokens alone", i)
			}
		}
		if given == 0 || taken == 0 {
			t.Errorf("%d pages given back, %d taken again", given, taken)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// toy is a backend that claims things.
type toy struct {
	model.Backend
	lacks model.Op
}

func (b *toy) Info() model.DeviceInfo {
	d := model.DeviceInfo{ID: "toy", Types: quant.Decodable()}
	for _, op := range model.Ops() {
		if op != b.lacks || b.lacks == 0 {
			d.Ops = append(d.Ops, op)
		}
	}
	return d
}
func (b *toy) Load(context.Context, model.Weights, *model.Plan) error { return nil }
func (b *toy) Close() error                                           { return nil }

// TestOutcomes: a backend that says what it lacks is told from one that fails, and the
// reference may lack nothing.
func TestOutcomes(t *testing.T) {
	broken := func() (model.Backend, error) { return nil, errors.New("no device") }
	whole := func() (model.Backend, error) { return &toy{}, nil }
	lacking := func() (model.Backend, error) { return &toy{lacks: model.Conv}, nil }
	c := &Case{check: func(_ *Case, openRef, open Opener) (float64, error) {
		x := convTest(4, 2, 1, 1)
		if err := x.with(openRef, func(*rig) error { return nil }); err != nil {
			return 0, refFails(err)
		}
		return 2, x.with(open, func(*rig) error { return nil })
	}}
	for _, o := range []struct {
		name               string
		ref, open          Opener
		limit              float64
		fails, unsupported bool
	}{
		{"within the limit", whole, whole, 2, false, false},
		{"above the limit", whole, whole, 1, true, false},
		{"no backend", whole, broken, 2, true, false},
		{"no reference", broken, whole, 2, true, false},
		{"the backend lacks the op", whole, lacking, 1, false, true},
		{"the reference lacks the op", lacking, whole, 2, true, false},
		{"both lack the op", lacking, lacking, 2, true, false},
	} {
		c.Limit = o.limit
		if r := c.Check(o.ref, o.open); (r.Fail != "") != o.fails || (r.Unsupported != "") != o.unsupported {
			t.Errorf("%s: %+v", o.name, r)
		}
	}
}

func TestNMSE(t *testing.T) {
	for _, c := range []struct {
		a, b []float32
		want float64
	}{
		{nil, nil, 0},
		{[]float32{0}, []float32{0}, 0},
		{[]float32{3, 4}, []float32{3, 4}, 0},
		{[]float32{3, 4}, []float32{3, 5}, 1.0 / 25},
		{[]float32{nan, inf, 2}, []float32{nan, inf, 1}, 1.0 / 4},
		{[]float32{1}, []float32{1, 1}, math.NaN()},
		{[]float32{nan, 1}, []float32{0, 1}, math.NaN()},
		{[]float32{0, 1}, []float32{nan, 1}, math.NaN()},
		{[]float32{inf, 1}, []float32{-inf, 1}, math.NaN()},
		{[]float32{1, 1}, []float32{inf, 1}, math.Inf(1)},
	} {
		if got := NMSE(c.a, c.b); got != c.want && !(got != got && c.want != c.want) {
			t.Errorf("NMSE(%v, %v) = %g, want %g", c.a, c.b, got, c.want)
		}
	}
}
