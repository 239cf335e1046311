package backendtest

import (
	"context"

	"eclat/model"
)

// RunFunc runs a program, or does something else in its place.
type RunFunc func(ctx context.Context, p model.Program, b *model.Batch, out *model.Outputs) error

// Around is what a device opened, all of whose programs run by run. It takes what Open
// returns, so that a device of a test has little else to say.
func Around(b model.Backend, err error, run RunFunc) (model.Backend, error) {
	if err != nil {
		return nil, err
	}
	return around{b, run}, nil
}

type around struct {
	model.Backend
	run RunFunc
}

func (a around) Compile(p *model.Plan, o model.CompileOptions) (model.Program, error) {
	g, err := a.Backend.Compile(p, o)
	if err != nil {
		return nil, err
	}
	return aroundProgram{g, a.run}, nil
}

type aroundProgram struct {
	model.Program
	run RunFunc
}

func (p aroundProgram) Run(ctx context.Context, b *model.Batch, out *model.Outputs) error {
	return p.run(ctx, p.Program, b, out)
}
