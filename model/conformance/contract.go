package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model"
)

// nothing is a file without tensors.
type nothing struct{}

func (nothing) Tensor(string) *loader.Tensor { return nil }
func (nothing) Forget([]byte)                {}

// altered is a file whose tensors are not what they were.
type altered struct {
	model.Weights
	change func(t *loader.Tensor)
}

func (a altered) Tensor(name string) *loader.Tensor {
	t := *a.Weights.Tensor(name)
	t.Dims = slices.Clone(t.Dims)
	a.change(&t)
	return &t
}

// loads loads twice, what is not there or not as the plan has it, and with a context
// that has ended.
func loads(_ *Case, _, open Opener) (float64, error) {
	c, good := embedTest()
	if err := c.with(open, func(r *rig) error {
		if err := r.be.Load(context.Background(), r.file, r.plan); err == nil {
			return errors.New("a second Load was taken")
		}
		return nil
	}); err != nil {
		return 0, err
	}
	return 0, c.with(open, func(r *rig) error {
		for _, l := range []struct {
			what  string
			ended bool
			from  model.Weights
		}{
			{"without the weights", false, nothing{}},
			{"of weights of another type", false, altered{r.file, func(t *loader.Tensor) { t.Type = quant.I32 }}},
			{"of weights with rows for columns", false, altered{r.file, func(t *loader.Tensor) { slices.Reverse(t.Dims) }}},
			{"of weights with a row more", false, altered{r.file, func(t *loader.Tensor) { t.Dims[len(t.Dims)-1]++ }}},
			{"of weights without a shape", false, altered{r.file, func(t *loader.Tensor) { t.Dims = nil }}},
			{"of weights that are not mapped", false, altered{r.file, func(t *loader.Tensor) { t.Data = nil }}},
			{"with a context that has ended", true, r.file},
		} {
			be, err := open()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(context.Background())
			if l.ended {
				cancel()
			}
			err = be.Load(ctx, l.from, r.plan)
			cancel()
			if err == nil || l.ended && !errors.Is(err, context.Canceled) {
				return errors.Join(fmt.Errorf("a Load %s gives %v", l.what, err), be.Close())
			}
			if err := be.Close(); err != nil {
				return fmt.Errorf("closing after a Load %s: %w", l.what, err)
			}
		}
		p, err := r.compile(c.opts)
		if err == nil {
			_, err = r.run(p, good())
		}
		return err
	})
}

// compiles offers plans with an op, a type and a weight that the backend does not know.
func compiles(_ *Case, _, open Opener) (float64, error) {
	c, good := embedTest()
	return 0, c.with(open, func(r *rig) error {
		weight := func(p *model.Plan) *model.Tensor { return &p.Tensors[p.Steps[0].Src[0]] }
		for _, bad := range []struct {
			what        string
			unsupported bool
			change      func(p *model.Plan)
		}{
			{"an op past the table", true, func(p *model.Plan) { p.Steps[1].Op = model.NumOps }},
			{"the largest op", true, func(p *model.Plan) { p.Steps[1].Op = 255 }},
			{"weights of a type that cannot be decoded", true, func(p *model.Plan) { weight(p).Type = quant.I32 }},
			{"weights of an unknown type", true, func(p *model.Plan) { weight(p).Type = 99999 }},
			{"a source too few", false, func(p *model.Plan) { p.Steps[0].Src = nil }},
			{"a target of other columns", false, func(p *model.Plan) { p.Tensors[p.Steps[4].Dst].Cols++ }},
			{"a weight that was not loaded", false, func(p *model.Plan) { weight(p).Name = "elsewhere" }},
			{"memory that was not made", false, func(p *model.Plan) { p.Tensors[p.Steps[1].Dst].Name = "elsewhere" }},
		} {
			p := *r.plan
			p.Tensors = slices.Clone(p.Tensors)
			p.Steps = slices.Clone(p.Steps)
			bad.change(&p)
			prog, err := r.be.Compile(&p, c.opts)
			if err == nil {
				return errors.Join(fmt.Errorf("%s: compiled", bad.what), prog.Close())
			}
			var un model.UnsupportedError
			if bad.unsupported && !errors.As(err, &un) {
				return fmt.Errorf("%s: %w, which is not an UnsupportedError", bad.what, err)
			}
		}
		p, err := r.compile(c.opts)
		if err == nil {
			_, err = r.run(p, good())
		}
		return err
	})
}

// info wants a backend to say who it is, and to claim only what exists.
func info(_ *Case, _, open Opener) (float64, error) {
	be, err := open()
	if err != nil {
		return 0, err
	}
	d := be.Info()
	if err := be.Close(); err != nil {
		return 0, err
	}
	if d.ID == "" || d.Backend == "" || d.Chunk < 1 || len(d.Ops) == 0 || len(d.Types) == 0 {
		return 0, fmt.Errorf("%+v leaves something out", d)
	}
	for i, op := range d.Ops {
		if op >= model.NumOps || slices.Contains(d.Ops[:i], op) {
			return 0, fmt.Errorf("%s is not an op, or twice", op)
		}
	}
	for i, ty := range d.Types {
		if !ty.CanDecode() || slices.Contains(d.Types[:i], ty) {
			return 0, fmt.Errorf("%s cannot be decoded, or twice", ty)
		}
	}
	return 0, nil
}
