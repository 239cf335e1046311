package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"eclat/engine/journal"
	"eclat/model"
	"eclat/model/rows"
)

// link is a stage on its device. Where the device is on another machine the link has a log
// of what it was sent: where the machine is lost, another takes its place, is sent the same,
// and must answer the same; the other links know nothing of it and compute nothing again.
type link struct {
	stage    model.Stage
	device   model.Device
	fit      *model.Fitting // what the device was found to hold
	plan     *model.Plan
	normed   *model.Plan   // of the stage without the output matrix; nil until embeddings are asked for
	backend  model.Backend // nil until load, and where it was lost
	programs map[ofSize]model.Program
	loaded   int64         // bytes that the device held when the weights were there and no program was
	token    time.Duration // of a run of one token, a mean of those before in which the last counts an eighth
	units    []int         // bytes of a unit of each pool
	out      model.Outputs

	rows     rows.Format  // in which rows come and go, also where the stage has moved home: see rounded
	peer     int          // which of Options.Peers it was placed on, from 1; 0 for none
	heard    time.Time    // of another machine: when it answered last
	remote   bool         // the device is one of Options.Peers, which has the weights
	gathered bool         // this machine has all of the stage's weights
	log      *journal.Log // nil where it is not
	check    *second      // computes the same once more; nil for nobody
}

// ofSize is what a program is compiled for.
type ofSize struct {
	model.Size
	normed bool // ends with normed rows in the place of tokens
	exact  bool // rows are not rounded, whatever the link's format
}

// Replay tells that the place of a lost device was taken, with the proof that it made no
// difference: what the stage was sent was sent again, and the rows that were answered have
// the sum of those that were logged.
type Replay struct {
	First, End int           // layers of the stage
	Device     string        // that has it now
	Proof      journal.Proof // rows answered again, and their sum, which is that of the rows logged
}

// String is the replay on one line.
func (r Replay) String() string {
	return fmt.Sprintf("layers %d–%d are on %s: of %d rows answered again each has the bits that were logged, sum %x", r.First, r.End-1, r.Device, r.Proof.Rows, r.Proof.Sum)
}

// mostTries is how often another device is opened for a stage before that is an error. A
// device of several machines says itself when none of them is left.
const mostTries = 16

// openLink opens a link's device and hands it its weights. What it opened is the chain's to
// close also when it fails. Devices of some ids are not opened.
func (c *chain) openLink(ctx context.Context, l *link, except ...string) (err error) {
	for try := 0; ; try++ {
		l.programs = map[ofSize]model.Program{}
		c.mu.Lock()
		o := c.open
		c.mu.Unlock()
		o.Except = append(slices.Clone(o.Except), except...)
		if l.backend, err = l.device.Open(ctx, o); err != nil {
			l.backend = nil
			return err
		}
		err = l.backend.Load(ctx, c.model.File, l.plan)
		if !l.remote || !errors.Is(err, ErrLost) || try == mostTries || ctx.Err() != nil {
			break
		}
		l.close()
	}
	if err != nil {
		return err
	}
	info := l.backend.Info()
	l.loaded, l.units = info.Held, l.units[:0]
	for pool := range l.plan.Pools {
		l.units = append(l.units, l.backend.Pages().UnitBytes(pool))
	}
	if s := l.check; s != nil && !s.own && s.backend != nil && s.device.Info().ID == l.device.Info().ID {
		s.close() // nobody checks itself
	}
	return nil
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
	p, err := l.compile(plan, model.CompileOptions{Size: s.Size, Exact: s.exact})
	c.compiled.Add(int64(time.Since(start)))
	if err != nil {
		return nil, fmt.Errorf("engine: compile layers %d–%d for %d tokens: %w", l.stage.First, l.stage.End-1, s.Tokens, err)
	}
	l.programs[s] = p
	return p, nil
}

// runLink computes a batch on a link. The rows stand until its next run.
func (c *chain) runLink(ctx context.Context, l *link, s ofSize, b *model.Batch) ([]float32, error) {
	err := c.on(ctx, l, func() error {
		p, err := c.program(l, s)
		if err != nil {
			return err
		}
		start := time.Now()
		err = p.Run(ctx, b, &l.out)
		if err == nil && s.Tokens == 1 {
			l.took(time.Since(start))
		}
		return err
	})
	if err == nil {
		l.heard = time.Now()
	}
	if err == nil && l.log != nil {
		l.log.Ran(b, l.out.Rows)
	}
	return l.out.Rows, err
}

// took takes up the time of a run of one token.
func (l *link) took(d time.Duration) {
	if l.token == 0 {
		l.token = d
		return
	}
	l.token += (d - l.token) / 8
}

// lately is for how long another machine that answered is taken to be there.
const lately = time.Second

// there reports whether another machine is: where it has not answered lately, it is asked for
// the least thing, a unit copied to itself. One that is not stays the link's until something
// is to be computed, which its place is taken for.
func (l *link) there(ctx context.Context) bool {
	if l.backend == nil {
		return false
	}
	if len(l.plan.Pools) == 0 || time.Since(l.heard) < lately {
		return true
	}
	err := l.backend.Pages().Copy(ctx, 0, 0, 0)
	if err == nil {
		l.heard = time.Now()
	}
	return !errors.Is(err, ErrLost)
}

// on does something with a link's device. Where that is lost another takes its place, as
// the log allows, and the same is done there.
func (c *chain) on(ctx context.Context, l *link, do func() error) (err error) {
	if l.backend == nil {
		err = fmt.Errorf("%w: layers %d–%d are on no device", ErrLost, l.stage.First, l.stage.End-1)
	} else {
		err = do()
	}
	for try := 0; errors.Is(err, ErrLost); try++ {
		if l.log == nil || l.log.Over() || try == mostTries {
			l.close()
			return err
		}
		if err := c.replace(ctx, l, err); err != nil {
			return err
		}
		err = do()
	}
	return err
}

// replace opens a link's device once more, which is another machine now, and sends it what
// was sent before. Where it cannot the link is left without a backend.
func (c *chain) replace(ctx context.Context, l *link, cause error) error {
	c.open.Warn(fmt.Sprintf("%v; its place is taken", cause))
	c.down.Store(true)
	for try := 0; ; try++ {
		l.close()
		err := c.openLink(ctx, l)
		var proof journal.Proof
		if err == nil {
			proof, err = l.log.Replay(ctx, c.target(l))
		}
		info := l.device.Info()
		switch {
		case err == nil:
			c.down.Store(false)
			c.mu.Lock()
			c.replays = append(c.replays, Replay{l.stage.First, l.stage.End, info.ID, proof})
			c.mu.Unlock()
			return nil
		case ctx.Err() != nil:
			l.close()
			return ctx.Err()
		case errors.Is(err, journal.ErrDiffer):
			l.close()
			if right, fault := c.logIsRight(ctx, l); fault != nil || !right {
				return fmt.Errorf("%w: %s answers otherwise than the one before it did: %v", ErrLost, info.ID, err)
			}
			c.wrong(info.ID)
			err = fmt.Errorf("%s computes wrongly: %w; it is not used again", info.ID, err)
			if try == mostTries {
				return fmt.Errorf("%w: %w", cause, err)
			}
		case l.backend == nil || try == mostTries || !errors.Is(err, ErrLost):
			l.close()
			return fmt.Errorf("%w: %w", cause, err)
		}
		c.open.Warn(err.Error())
	}
}

// trim lets the logs forget what no unit that is held hangs on.
func (c *chain) trim(held func(pool int, unit int32) bool) {
	for i := range c.links {
		l := &c.links[i]
		if l.log == nil || l.log.Over() {
			continue
		}
		if l.log.Trim(held, l.check != nil); l.log.Over() {
			c.open.Warn(fmt.Sprintf("what layers %d–%d were sent takes more than %d MiB and is not kept: were their device lost, all tokens would run again", l.stage.First, l.stage.End-1, c.keep>>20))
		}
	}
}

// target is a link as Replay sees it.
func (c *chain) target(l *link) journal.Target {
	return journal.Target{Pages: l.backend.Pages(), Chunk: c.chunk, Program: func(n int) (model.Program, error) { return c.program(l, c.size(n)) }}
}

// close frees programs and backend. The link stays, to be opened again.
func (l *link) close() (err error) {
	for _, p := range l.programs {
		err = errors.Join(err, p.Close())
	}
	if l.backend != nil {
		err = errors.Join(err, l.backend.Close())
	}
	l.programs, l.backend = nil, nil
	return err
}
