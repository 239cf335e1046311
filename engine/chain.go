package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"eclat/engine/journal"
	"eclat/model"
)

// chain runs a model's stages one after the other; what one returns is the next
// one's rows. It belongs to the owner's goroutine.
type chain struct {
	model    *model.Model
	room     model.Room
	links    []link
	open     model.OpenOptions
	home     func(ctx context.Context, l *link) error                                         // moves to this machine the layers of one that is lost, with nobody to take its place; nil to let it be
	fetch    func(ctx context.Context, m *model.Model, st model.Stage, room model.Room) error // Options.Fetch
	ask      func(ctx context.Context) error                                                  // a question to all stages once they are loaded; nil for none
	kinds    []model.Pool                                                                     // of memory; every stage has all of them, in this order
	compiled atomic.Int64                                                                     // nanoseconds spent on compiling programs so far

	chunk   int              // most tokens of a batch
	size    func(int) ofSize // of the program for so many
	keep    int64            // bytes of rows kept for a stage on another machine
	checked int              // rows that were computed once more
	later   *[]unitCopy      // copies that come before the next batch on its way; nil to copy at once

	down *atomic.Bool // set while a place is being taken; the engine's

	mu      sync.Mutex // of what follows and of open.Except
	replays []Replay   // places of lost devices that were taken since the owner asked
}

// compileTime is what was spent on compiling programs so far.
func (c *chain) compileTime() time.Duration { return time.Duration(c.compiled.Load()) }

// load opens every stage's device that is not open and hands it its weights. What it
// opened is the chain's to close also when it fails.
func (c *chain) load(ctx context.Context, careful int) error {
	c.open.Careful = careful
	for i := range c.links {
		l := &c.links[i]
		var err error
		if l.plan, err = c.plan(l, true); err != nil {
			return err
		}
		if c.kinds == nil {
			c.kinds = l.plan.Pools
		}
		if l.remote { // memory begins anew
			l.log = journal.New(l.plan, c.keep)
		}
		if l.backend != nil {
			continue
		}
		if err := c.gather(ctx, l); err != nil {
			return err
		}
		if err := c.openLost(ctx, l); err != nil {
			return err
		}
	}
	if c.ask != nil {
		return c.ask(ctx)
	}
	return nil
}

// gather brings what this machine lacks of a link's stage, once.
func (c *chain) gather(ctx context.Context, l *link) error {
	if c.fetch == nil || l.remote || l.gathered {
		return nil
	}
	err := c.fetch(ctx, c.model, l.stage, c.room)
	l.gathered = err == nil
	return err
}

// plan writes a link's plan, which with the head ends with tokens or with logits. Weights
// are mapped where they are read.
func (c *chain) plan(l *link, tokens bool) (*model.Plan, error) {
	st := l.stage
	st.Sample = st.Head && tokens
	if l.remote {
		return c.model.Describe(st, c.room)
	}
	return c.model.Plan(st, c.room)
}

// run sends a batch through all stages. The outputs stand until the next run.
func (c *chain) run(ctx context.Context, s ofSize, b *model.Batch) (*model.Outputs, error) {
	given := b.Rows
	defer func() { b.Rows = given }()
	for i := range c.links {
		rows, err := c.runLink(ctx, &c.links[i], s, b)
		if err != nil {
			return nil, err
		}
		b.Rows = rows
	}
	return &c.links[len(c.links)-1].out, nil
}

// copyUnit copies a unit of memory on every stage.
func (c *chain) copyUnit(ctx context.Context, pool int, from, to int32) error {
	u := unitCopy{pool, from, to}
	if c.later != nil {
		*c.later = append(*c.later, u)
		return nil
	}
	for i := range c.links {
		if err := c.copyOn(ctx, &c.links[i], u); err != nil {
			return err
		}
	}
	return nil
}

// copyOn copies a unit on one stage.
func (c *chain) copyOn(ctx context.Context, l *link, u unitCopy) error {
	err := c.on(ctx, l, func() error { return l.backend.Pages().Copy(ctx, u.pool, u.from, u.to) })
	if err == nil && l.log != nil {
		l.log.Copied(u.pool, u.from, u.to)
	}
	return err
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
	err = c.closeSeconds()
	for i := len(c.links) - 1; i >= 0; i-- {
		err = errors.Join(err, c.links[i].close())
	}
	return err
}

// closeLost closes what has to be opened again after a loss: all, where it is not known
// which device it was; else those that have no backend any more have been closed.
func (c *chain) closeLost() {
	for i := range c.links {
		if c.links[i].backend == nil {
			return
		}
	}
	c.close()
}
