package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"eclat/model"
)

// Several batches can be on their way at once where stages are on other machines: while a
// stage computes one, the stage before it computes the next. Two kinds of batches do not
// wait for the answer of the one before: the chunks of a prompt, and windows of guesses, the
// second of which supposes that all of the first was right. Each stage computes them in
// their order, so that what they write and read is what it would be one by one; what a wrong
// guess left on its way is cancelled, and what it wrote is written over.

// flight is a batch on its way.
type flight struct {
	batch  model.Batch
	parts  []part
	size   ofSize
	copies []unitCopy // that come before it
	rows   []float32  // that the stage before answered
}

type unitCopy struct {
	pool     int
	from, to int32
}

// fly sends flights through the stages. done is told each answer, in order and on the
// caller's goroutine; where it returns false the others are called back. Where fly fails,
// stages have computed more or fewer of them.
func (c *chain) fly(parent context.Context, flights []*flight, done func(f *flight, out *model.Outputs) bool) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	errs := make([]error, len(c.links))
	var wg sync.WaitGroup
	in := make(chan *flight, len(flights))
	for _, f := range flights {
		in <- f
	}
	close(in)
	for i := range len(c.links) - 1 {
		from, to := in, make(chan *flight, len(flights))
		wg.Go(func() {
			defer close(to)
			for f := range from {
				if errs[i] = c.flyOn(ctx, &c.links[i], f); errs[i] != nil {
					cancel()
					return
				}
				f.rows = append(f.rows[:0], c.links[i].out.Rows...)
				f.batch.Rows = f.rows
				to <- f
			}
		})
		in = to
	}
	last, back := len(c.links)-1, false
	for f := range in {
		if errs[last] = c.flyOn(ctx, &c.links[last], f); errs[last] != nil {
			break
		}
		if back = !done(f, &c.links[last].out); back {
			break
		}
	}
	cancel()
	wg.Wait()
	if err := parent.Err(); err != nil {
		return err
	}
	for _, lost := range []bool{true, false} { // a loss matters more than what it ended
		for _, err := range errs {
			if err != nil && (errors.Is(err, ErrLost) == lost) && !errors.Is(err, context.Canceled) {
				return err
			}
		}
	}
	return nil
}

// flyOn computes a flight on a stage.
func (c *chain) flyOn(ctx context.Context, l *link, f *flight) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, u := range f.copies {
		if err := c.copyOn(ctx, l, u); err != nil {
			return err
		}
	}
	_, err := c.runLink(ctx, l, f.size, &f.batch)
	return err
}

// remote reports whether a stage is on another machine.
func (c *chain) remote() bool {
	return slices.ContainsFunc(c.links, func(l link) bool { return l.remote })
}

// credits is how many chunks are on their way at once: one for each stage, and one that
// waits for each that is remote.
func (c *chain) credits() (n int) {
	for i := range c.links {
		n++
		if c.links[i].remote {
			n++
		}
	}
	return n
}

// flight makes one of the gathered batch. Tables are copied: the next one changes them.
func (o *owner) flight() *flight {
	f := &flight{parts: slices.Clone(o.parts), size: o.e.sizeFor(len(o.batch.Tokens))}
	b := &o.batch
	f.batch = model.Batch{Tokens: slices.Clone(b.Tokens), Pos: slices.Clone(b.Pos), Want: slices.Clone(b.Want), How: slices.Clone(b.How)}
	for _, s := range b.Seqs {
		f.batch.Seqs = append(f.batch.Seqs, model.SeqRun{N: s.N, Units: cloneUnits(s.Units)})
	}
	return f
}

func cloneUnits(units [][]int32) (out [][]int32) {
	for _, table := range units {
		out = append(out, slices.Clone(table))
	}
	return out
}

// prompts reports whether the gathered batch is one of chunks of prompts after which more
// chunks follow, whatever it answers, and memory for them is there without anybody's giving
// way.
func (o *owner) prompts() bool {
	if o.answers > 0 || o.embeds || !o.chain.remote() {
		return false
	}
	for _, p := range o.parts {
		if p.q.r.Rows || p.wants > 0 || p.q.left() <= p.n || slices.Contains(p.q.marks, p.q.stored+p.n) || p.q.ctx.Err() != nil {
			return false
		}
	}
	for _, q := range o.active {
		if q.leader != nil { // it waits for pages that the index gets only at the end
			return false
		}
	}
	for pool, k := range o.pages.kinds {
		if k.Per != model.Sequence && len(o.pages.free[pool])+o.pages.idle[pool] < (len(o.active)+1)*(model.Pages(o.e.Chunk)+2) {
			return false
		}
	}
	return true
}

// flyPrompts sends the gathered batch and the chunks that follow it.
func (o *owner) flyPrompts() bool {
	type start struct {
		q      *sequence
		stored int
	}
	var starts []start
	var flights []*flight
	ctx := o.e.ctx
	if len(o.parts) == 1 && len(o.active) == 1 {
		ctx = o.parts[0].q.ctx
	}
	var later []unitCopy
	o.chain.later = &later
	for {
		f := o.flight()
		f.copies, later = later, nil
		flights = append(flights, f)
		more := len(flights) < o.chain.credits() && o.prompts()
		for _, p := range o.parts { // as if it had run
			if !slices.ContainsFunc(starts, func(s start) bool { return s.q == p.q }) {
				starts = append(starts, start{p.q, p.q.stored})
			}
			p.q.stored += min(p.n, p.q.left())
		}
		if !more || !o.gather() || o.fault != nil {
			break
		}
	}
	o.chain.later = nil
	for _, s := range starts {
		if s.q.active {
			s.q.stored = s.stored
		}
	}
	if err := o.fault; err != nil {
		o.fault = nil
		o.lost(err)
		return true
	}
	o.flown += len(flights) - 1
	err := o.chain.fly(ctx, flights, func(f *flight, out *model.Outputs) bool {
		o.answered = *out // of the last one it is asked for
		return true
	})
	o.hear()
	if err != nil {
		// Memory is not what the sequences' tables say.
		for _, s := range starts {
			if s.q.active && !errors.Is(err, ErrLost) {
				o.release(s.q)
			}
		}
		return o.failed(ctx, err, func(end func(q *sequence)) {
			for _, s := range starts {
				if s.q.active {
					end(s.q)
				}
			}
		})
	}
	o.quiet()
	epoch := o.epoch
	for _, f := range flights {
		for _, p := range f.parts {
			if !p.q.active {
				continue
			}
			if o.took(p, &o.answered); o.epoch != epoch {
				return true
			}
		}
	}
	o.dueNow()
	return true
}

// mostWindows is how many windows of guesses are on their way at once.
const mostWindows = 4

// window is how many tokens a window of guesses has.
const window = MaxDraft + 1

// ahead is the window of guesses that is gathered and those that may follow it; nil where
// none does.
func (o *owner) ahead() []*flight {
	if o.windows < 2 || o.checking || o.index.states || len(o.parts) != 1 || len(o.active) != 1 || !o.chain.remote() {
		return nil
	}
	p := o.parts[0]
	q := p.q
	if p.wants != window || q.guess == noGuess || q.guess == byModel || q.r.Allow != nil {
		return nil
	}
	most := min(window*o.windows-1, q.r.Draft, o.e.Context-len(q.tokens), cap(q.stream.events)-len(q.stream.events)-2)
	if q.r.MaxTokens >= 0 {
		most = min(most, q.r.MaxTokens-q.stats.GeneratedTokens-1)
	}
	text, end, k := q.before()
	if k == noGuess || most <= MaxDraft || !o.spare(q, 1+most) {
		return nil
	}
	if ok, err := o.reserve(o.e.ctx, q, 1+most); !ok || err != nil {
		o.fault = err
		return nil
	}
	o.batch.Seqs[0].Units = q.units
	flights := []*flight{o.flight()}
	guesses := guess(nil, text, end, most)
	for at := MaxDraft; at < most; at += window {
		tokens := guesses[at:min(at+window, most)]
		f := &flight{parts: []part{{q, len(tokens), 0, len(tokens)}}, size: o.e.sizeFor(len(tokens))}
		f.batch.Tokens = tokens
		f.batch.Seqs = []model.SeqRun{{N: len(tokens), Units: cloneUnits(q.units)}}
		for i := range tokens {
			f.batch.Pos = append(f.batch.Pos, int32(q.stored+1+at+i))
			f.batch.Want = append(f.batch.Want, int32(i))
			f.batch.How = append(f.batch.How, q.params())
		}
		flights = append(flights, f)
	}
	return flights
}

// flyWindows sends windows of guesses of one sequence, and calls back those behind the first
// wrong guess.
func (o *owner) flyWindows(flights []*flight) bool {
	q := flights[0].parts[0].q
	start, before, epoch, compiled := time.Now(), q.stats.GeneratedTokens, o.epoch, o.chain.compileTime()
	stands := func(f *flight) bool { // whether it begins with what was chosen
		return o.stayed(q, epoch) && q.left() == 1 && int(f.batch.Pos[0]) == q.stored && f.batch.Tokens[0] == q.tokens[q.stored]
	}
	k := 0
	err := o.chain.fly(q.ctx, flights, func(f *flight, out *model.Outputs) bool {
		if k++; k > 1 {
			o.flown++
			q.draft = append(q.draft[:0], f.batch.Tokens[1:]...)
			if q.guess = q.flown; len(q.draft) > 0 {
				q.guessed = q.draft[0]
			} else {
				q.guess = noGuess
			}
			q.stats.Drafted++
			q.stats.Accepted++
		} else {
			q.flown = q.guess
		}
		o.took(f.parts[0], out)
		return k < len(flights) && stands(flights[k])
	})
	o.hear()
	if err != nil {
		return o.failed(q.ctx, err, func(end func(q *sequence)) {
			if q.active {
				end(q)
			}
		})
	}
	o.quiet()
	if k == len(flights) {
		o.windows = min(mostWindows, 2*o.windows)
	} else {
		o.windows = 1
	}
	if n := q.stats.GeneratedTokens - before; n > 0 && o.chain.compileTime() == compiled {
		o.several.took(n, time.Since(start))
	}
	return true
}

// perToken is what a token takes, in seconds, as a mean of the last ones; 0 is not known.
type perToken float64

func (p *perToken) took(n int, d time.Duration) {
	mean := float64(*p)
	smooth(&mean, d.Seconds()/float64(n))
	*p = perToken(mean)
}

// widen looks at a window of guesses that was alone: where all were right more of them may
// be on their way, unless they took longer for a token lately.
func (o *owner) widen(told int, d time.Duration) {
	if told == 0 {
		return
	}
	o.single.took(told, d)
	if o.rest > 0 {
		o.rest--
		return
	}
	if o.several > 0 && o.several > o.single {
		o.rest, o.several = 32, 0 // and then once more
		return
	}
	if told == window {
		o.windows = 2
	}
}
