package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eclat/model"
)

// chain runs a model's stages one after the other; what one returns is the next
// one's rows. It belongs to the owner's goroutine.
type chain struct {
	model    *model.Model
	room     model.Room
	links    []link
	open     model.OpenOptions
	kinds    []model.Pool // of memory; every stage has all of them, in this order
	out      model.Outputs
	compiled time.Duration // spent on compiling programs so far
}

// link is a stage on its device.
type link struct {
	stage    model.Stage
	device   model.Device
	fit      *model.Fitting // what the device was found to hold
	plan     *model.Plan
	normed   *model.Plan   // of the stage without the output matrix; nil until embeddings are asked for
	backend  model.Backend // nil until load
	loaded   int64         // bytes that the device held when the weights were there and no program was
	programs map[ofSize]model.Program
	token    time.Duration // of a run of one token, a mean of those before in which the last counts an eighth
}

// ofSize is what a program is compiled for.
type ofSize struct {
	model.Size
	normed bool // ends with normed rows in the place of tokens
}

// load opens every stage's device and hands it its weights. What it opened is the
// chain's to close also when it fails.
func (c *chain) load(ctx context.Context, careful int) error {
	o := c.open
	o.Careful = careful
	for i := range c.links {
		l := &c.links[i]
		var err error
		l.programs = map[ofSize]model.Program{}
		if l.plan, err = c.plan(l.stage); err != nil {
			return err
		}
		if c.kinds == nil {
			c.kinds = l.plan.Pools
		}
		if l.backend, err = l.device.Open(ctx, o); err != nil {
			l.backend = nil
			return err
		}
		if err := l.backend.Load(ctx, c.model.File, l.plan); err != nil {
			return err
		}
		info := l.backend.Info()
		l.loaded = info.Held
	}
	return nil
}

// plan writes a stage's plan; with the head it ends with tokens.
func (c *chain) plan(st model.Stage) (*model.Plan, error) {
	st.Sample = st.Head
	return c.model.Plan(st, c.room)
}

// program returns the link's program for a size, compiled at first use.
func (c *chain) program(l *link, s ofSize) (model.Program, error) {
	s.normed = s.normed && l.stage.Head
	if p := l.programs[s]; p != nil {
		return p, nil
	}
	start := time.Now()
	plan := l.plan
	if s.normed {
		if l.normed == nil {
			st := l.stage
			st.Normed = true
			var err error
			if l.normed, err = c.model.Plan(st, c.room); err != nil {
				return nil, err
			}
		}
		plan = l.normed
	}
	p, err := l.backend.Compile(plan, model.CompileOptions{Size: s.Size})
	c.compiled += time.Since(start)
	if err != nil {
		return nil, fmt.Errorf("engine: compile layers %d–%d for %d tokens: %w", l.stage.First, l.stage.End-1, s.Tokens, err)
	}
	l.programs[s] = p
	return p, nil
}

// run sends a batch through all stages. The outputs stand until the next run.
func (c *chain) run(ctx context.Context, s ofSize, b *model.Batch) (*model.Outputs, error) {
	rows := b.Rows
	defer func() { b.Rows = rows }()
	for i := range c.links {
		l := &c.links[i]
		p, err := c.program(l, s)
		if err != nil {
			return nil, err
		}
		start := time.Now()
		if err := p.Run(ctx, b, &c.out); err != nil {
			return nil, err
		}
		if s.Tokens == 1 {
			l.took(time.Since(start))
		}
		b.Rows = c.out.Rows
	}
	return &c.out, nil
}

// took takes up the time of a run of one token.
func (l *link) took(d time.Duration) {
	if l.token == 0 {
		l.token = d
		return
	}
	l.token += (d - l.token) / 8
}

// copyUnit copies a unit of memory on every stage.
func (c *chain) copyUnit(ctx context.Context, pool int, from, to int32) error {
	for i := range c.links {
		if err := c.links[i].backend.Pages().Copy(ctx, pool, from, to); err != nil {
			return err
		}
	}
	return nil
}

// onDevice reports whether a layer lies elsewhere than on the processor.
func (c *chain) onDevice() bool {
	for i := range c.links {
		if info := c.links[i].device.Info(); info.GPU() {
			return true
		}
	}
	return false
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
