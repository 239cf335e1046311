package engine

import (
	"context"
	"errors"
	"fmt"

	"eclat/model"
)

// Where a machine is lost in the middle of an answer, or computes wrongly, and nobody is left
// to take its place, this machine computes its layers itself, if it holds them: slower, and
// with the same bits. They stay here.

// openLost opens a link, on this machine where nobody else is left.
func (c *chain) openLost(ctx context.Context, l *link) error {
	err := c.openLink(ctx, l)
	if err == nil || c.home == nil || !l.remote || ctx.Err() != nil || !errors.Is(err, ErrLost) && !errors.Is(err, ErrMemory) {
		return err
	}
	l.close()
	if fault := c.home(ctx, l); fault != nil {
		return fmt.Errorf("%w; nor does this machine take them: %w", err, fault)
	}
	return nil
}

// takeHome opens a link's layers on this machine's own device. Where it fails the link is as
// it was.
func (e *Engine) takeHome(ctx context.Context, l *link) error {
	o, c, own := &e.options, &e.owner.chain, e.owner.chain.links[0].device
	fit, err := e.fit(own, model.FitRequest{Stage: &l.stage, Pages: model.Pages(e.Context), Host: o.memory()})
	if err != nil {
		return err
	}
	// Weights that are mapped and do not stay in memory would be read from the disk for
	// every token.
	if fit.Mapped > fit.Spare() {
		return fmt.Errorf("%w: weights of %d MiB, %d are left for them", ErrMemory, fit.Mapped>>20, fit.Spare()>>20)
	}
	was := *l
	l.device, l.fit, l.remote, l.log = own, fit, false, nil
	if err := c.openHome(ctx, l); err != nil {
		err = errors.Join(err, l.close())
		*l = was
		return err
	}
	if l.check != nil { // nothing of it is another's work any more
		err = l.check.close()
		l.check = nil
	}
	c.open.Warn(fmt.Sprintf("layers %d–%d move to this machine: nobody else is left for them", l.stage.First, l.stage.End-1))
	return err
}

func (c *chain) openHome(ctx context.Context, l *link) (err error) {
	if err := c.gather(ctx, l); err != nil {
		return err
	}
	if l.plan, err = c.plan(l, true); err != nil {
		return err
	}
	return c.openLink(ctx, l)
}
