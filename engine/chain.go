package engine

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"eclat/model"
)

// chain runs a model's stages one after the other; what one returns is the next
// one's hidden rows.
type chain struct {
	model *model.Model
	pages int
	links []link
	mu    sync.Mutex // one run at a time
	out   model.Outputs
}

// link is a stage on its backend, with the programs compiled so far.
type link struct {
	stage    model.Stage
	device   device
	backend  model.Backend // nil until load
	programs map[shape]model.Program
}

// shape is what a program is compiled for.
type shape struct {
	tokens, logits int
	sample         bool
}

// load opens every stage's device and hands it its weights. submit bounds a GPU's
// submits, 0 for its default.
func (c *chain) load(submit time.Duration) error {
	for i := range c.links {
		l := &c.links[i]
		l.programs = map[shape]model.Program{}
		plan, err := c.model.Plan(l.stage, 1, 1, c.pages)
		if err != nil {
			return err
		}
		if l.backend, err = l.device.open(submit); err != nil {
			return err
		}
		if err := l.backend.Load(c.model.File, plan.Keep()); err != nil {
			return deviceError(err)
		}
	}
	return nil
}

// program returns the link's program for a shape, compiled at first use.
func (c *chain) program(l *link, s shape) (model.Program, error) {
	if p := l.programs[s]; p != nil {
		return p, nil
	}
	stage := l.stage
	stage.Sample = s.sample && stage.Head
	plan, err := c.model.Plan(stage, s.tokens, s.logits, c.pages)
	if err != nil {
		return nil, err
	}
	p, err := l.backend.Compile(plan)
	if err != nil {
		return nil, fmt.Errorf("engine: compile layers %d–%d for %d tokens: %w", stage.First, stage.End-1, s.tokens, deviceError(err))
	}
	l.programs[s] = p
	return p, nil
}

// run sends in through all stages. The caller holds mu until it is done with the
// outputs, which the next run overwrites.
func (c *chain) run(s shape, in model.Inputs) (*model.Outputs, error) {
	for i := range c.links {
		p, err := c.program(&c.links[i], s)
		if err != nil {
			return nil, err
		}
		if err := p.Run(in, &c.out); err != nil {
			return nil, deviceError(err)
		}
		in.Hidden = c.out.Result
	}
	return &c.out, nil
}

// close frees programs and backends, last first. The links stay, to be loaded again.
func (c *chain) close() (err error) {
	for i := len(c.links) - 1; i >= 0; i-- {
		l := &c.links[i]
		for _, p := range l.programs {
			err = errors.Join(err, p.Close())
		}
		if l.backend != nil {
			err = errors.Join(err, l.backend.Close())
		}
		l.programs, l.backend = nil, nil
	}
	return err
}
