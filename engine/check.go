package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"eclat/engine/journal"
)

// Checking: what another machine answers can be computed once more, by a second device that
// holds the same stage. It is sent what the first one was, some tokens later and in chunks,
// which cost it a fraction of one token at a time, and its rows must have the same bits. To
// compute a step again the memory of all steps before it is needed; a copy that has that
// has computed them too. So not some of the steps are checked but all, and nothing is told
// of an answer before what it hangs on has been.
//
// Where the two differ this machine's own device computes the stage from its beginning and
// says which of them is wrong. That one is not used again, and what was not told yet is
// computed anew.

// second is a second copy of a stage.
type second struct {
	link
	own bool // its device is this machine's: it is believed
}

// Bounds of what is computed before it is checked.
const (
	uncheckedTokens = 16   // of an answer that are chosen and not told
	uncheckedRows   = 1024 // of a stage
)

// checks reports whether anything is checked.
func (c *chain) checks() bool {
	return slices.ContainsFunc(c.links, func(l link) bool { return l.check != nil })
}

// due reports whether a stage has answered enough to be checked now.
func (c *chain) due() bool {
	return slices.ContainsFunc(c.links, func(l link) bool { return l.check != nil && l.log.Unchecked() >= uncheckedRows })
}

// verify computes once more what was not yet. An error is ErrLost where what was answered
// since the last time is not to be used.
func (c *chain) verify(ctx context.Context) error {
	for i := range c.links {
		l := &c.links[i]
		switch {
		case l.check == nil:
			continue
		case l.log.Over():
			return fmt.Errorf("engine: layers %d–%d cannot be checked: what they were sent takes more than %d MiB", l.stage.First, l.stage.End-1, c.keep>>20)
		case l.log.Unchecked() == 0:
			continue
		}
		if err := c.verifyLink(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func (c *chain) verifyLink(ctx context.Context, l *link) error {
	for try := 0; ; try++ {
		opened, err := l.check.backend != nil, error(nil)
		if !opened {
			l.log.Uncheck()
			err = c.openSecond(ctx, l)
			opened = l.check.backend != nil
		}
		var proof journal.Proof
		if err == nil {
			proof, err = l.log.Check(ctx, c.target(&l.check.link))
		}
		switch {
		case err == nil:
			c.checked += proof.Rows
			return nil
		case ctx.Err() != nil:
			l.check.close()
			return ctx.Err()
		case errors.Is(err, journal.ErrDiffer):
			if err := c.judge(ctx, l, err); err != nil || try == mostTries {
				return err
			}
			continue
		case !errors.Is(err, ErrLost) || !opened || try == mostTries:
			l.check.close()
			return fmt.Errorf("%w: nobody checks layers %d–%d: %w", ErrLost, l.stage.First, l.stage.End-1, err)
		}
		c.open.Warn(fmt.Sprintf("%v, which checked layers %d–%d", err, l.stage.First, l.stage.End-1))
		l.check.close()
	}
}

// openSecond opens the device that checks a link: another than the one that it checks.
func (c *chain) openSecond(ctx context.Context, l *link) error {
	s := l.check
	s.stage, s.plan, s.rows, s.remote = l.stage, l.plan, l.rows, !s.own
	if s.own {
		return c.openLink(ctx, &s.link)
	}
	info := l.device.Info()
	return c.openLink(ctx, &s.link, info.ID)
}

// judge finds out which of a link and its second is wrong, where their rows differ. The one
// that is, or both where that cannot be found out, are not used again. A nil error says
// that it is the second.
func (c *chain) judge(ctx context.Context, l *link, differ error) error {
	first, other := l.device.Info().ID, l.check.device.Info().ID
	if !l.check.own {
		right, err := c.logIsRight(ctx, l)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			c.wrong(first, other)
			l.close()
			l.check.close()
			return fmt.Errorf("%w: %s and %s do not compute the same for layers %d–%d (%v), and which is wrong is not known (%v); neither is used again", ErrLost, first, other, l.stage.First, l.stage.End-1, differ, err)
		case right:
			c.wrong(other)
			l.check.close()
			c.open.Warn(fmt.Sprintf("%s, which checks layers %d–%d, computes wrongly (%v); it is not used again", other, l.stage.First, l.stage.End-1, differ))
			return nil
		}
	}
	c.wrong(first)
	l.close()
	return fmt.Errorf("%w: %s computes layers %d–%d wrongly (%v); it is not used again, and what hangs on it is computed anew", ErrLost, first, l.stage.First, l.stage.End-1, differ)
}

// wrong keeps devices from being opened again.
func (c *chain) wrong(ids ...string) {
	c.mu.Lock()
	c.open.Except = append(c.open.Except, ids...)
	c.mu.Unlock()
}

// logIsRight computes on this machine what a link was sent, and reports whether it answered
// rightly.
func (c *chain) logIsRight(ctx context.Context, l *link) (bool, error) {
	own := link{stage: l.stage, plan: l.plan, rows: l.rows, device: c.links[0].device}
	defer own.close()
	if err := c.openLink(ctx, &own); err != nil {
		return false, err
	}
	_, err := l.log.Replay(ctx, c.target(&own))
	if errors.Is(err, journal.ErrDiffer) {
		return false, nil
	}
	return err == nil, err
}

// closeSeconds frees what checks.
func (c *chain) closeSeconds() (err error) {
	for i := range c.links {
		if s := c.links[i].check; s != nil {
			err = errors.Join(err, s.close())
		}
	}
	return err
}

// unsure is an event that is not told yet, because what it hangs on is not checked.
type unsure struct {
	ev    Event
	after standpoint
}

// standpoint is a sequence as far as it has been told of.
type standpoint struct {
	tokens int
	prover *prover
	stats  Stats
}

func (q *sequence) standpoint() standpoint {
	s := standpoint{tokens: len(q.tokens), stats: q.stats}
	if q.prover != nil {
		s.prover = q.prover.clone()
	}
	return s
}

// back forgets what was not told, if anything was not. Its memory is the caller's to take.
func (q *sequence) back(to standpoint) {
	losses, replays := q.stats.Losses, q.stats.Replays
	q.tokens, q.prover, q.stats = q.tokens[:to.tokens], to.prover, to.stats
	if q.prover != nil { // another may come back to the same
		q.prover = q.prover.clone()
	}
	q.stats.Losses, q.stats.Replays = losses, replays
	q.unsure, q.lookup, q.draft, q.guess = nil, nil, nil, noGuess
}

// say tells an event of a token, or keeps it until what it hangs on is checked.
func (o *owner) say(q *sequence, ev Event) {
	if !o.checking {
		q.stream.events <- ev // gather has seen that there is room
		return
	}
	q.unsure = append(q.unsure, unsure{ev, q.standpoint()})
}

// confirm checks all that has been computed and tells what hangs on it. It reports false
// where something was wrong: then everything that was not told has been taken back.
func (o *owner) confirm() bool {
	if !o.checking {
		return true
	}
	if err := o.chain.verify(o.e.ctx); err != nil {
		if o.e.ctx.Err() != nil { // the engine is being closed
			o.epoch++
			return false
		}
		if !errors.Is(err, ErrLost) {
			o.endAll(err)
		}
		o.lost(err)
		return false
	}
	for _, q := range slices.Clone(o.active) {
		told := q.unsure
		q.unsure = nil
		for i, u := range told {
			q.stream.events <- u.ev
			q.sure = u.after
			if q.r.Until != nil && q.r.Until(u.ev.ID) {
				if i < len(told)-1 {
					q.back(u.after)
					o.release(q)
				}
				o.end(q, StopText, nil)
				break
			}
		}
	}
	return true
}

// finish ends a sequence whose answer is complete, once that is sure.
func (o *owner) finish(q *sequence, why StopReason) {
	if o.confirm() && q.active {
		o.end(q, why, nil)
	}
}

// stayed reports whether nothing was taken back since an epoch and q goes on.
func (o *owner) stayed(q *sequence, epoch int) bool { return q.active && o.epoch == epoch }

// unsureTokens is how many tokens of any answer are not told.
func (o *owner) unsureTokens() (n int) {
	for _, q := range o.active {
		n = max(n, len(q.unsure))
	}
	return n
}
