package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"eclat/model"
	"eclat/model/sample"
)

// owner is the goroutine that owns the chain, with all that it needs to fill it:
// the memory's pages, the sequences at work, and those that wait.
type owner struct {
	e       *Engine
	chain   chain
	pages   *pages
	index   *index
	queue   queue
	active  []*sequence // in order of admission
	parts   []part      // of the batch
	order   []*sequence // scratch of gather
	batch   model.Batch
	turn    int            // which of the sequences reads its prompt first
	embeds  bool           // the batch is of texts that are embedded, and of no others
	sampler sample.Sampler // for what is chosen on the host

	broken  error // why the chain is not loaded; nil where it is
	epoch   int   // counts losses; programs of an earlier one are gone, and memory
	swaps   int   // counts losses of which one stage alone knew; its programs are gone
	careful int   // losses that the devices should take care for
	calm    int   // steps since the last loss
	fault   error // a loss that filling the batch met
	changed bool  // a sequence ended or gave way since the last step

	checking bool // what other machines answer, before it is told

	answers int     // sequences that answer, of those at work
	pace    pace    // of answers
	missed  float64 // seconds that a program which is not compiled would have saved
	asking  float64 // seconds that the draft model takes for a token; 0 is not known
	keeping float64 // seconds that it takes to keep a state before a guess; 0 is not known

	windows         int           // of guesses on their way at once
	told            int           // tokens that the last batch of an answer gave
	rest            int           // steps until several windows are tried again
	single, several perToken      // with one window at a time, and with more
	flown           int           // batches that were on their way behind another
	answered        model.Outputs // of the last of them

	looked  bool  // for a weight that is not finite, in all of the file
	unsound error // that there is one; nil for none

	computed, copied int // tokens run and pages copied so far, for tests and reports
}

// call is something that a caller wants done between two steps.
type call struct {
	do   func() error
	done chan error
}

// do runs f on the goroutine that owns the chain and returns its error.
func (e *Engine) do(ctx context.Context, f func() error) error {
	c := call{f, make(chan error, 1)}
	select {
	case e.calls <- c:
	case <-e.gone:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-c.done // f looks at ctx itself
}

// poke makes the owner look for something to do.
func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// enqueue hands a sequence to the owner.
func (e *Engine) enqueue(q *sequence) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closing:
		return ErrClosed
	case e.waiting >= e.options.Queue:
		return fmt.Errorf("%w: %d", ErrBusy, e.waiting)
	}
	e.waiting++
	q.unhook = context.AfterFunc(q.ctx, e.poke) // a context may live longer than its requests
	e.inbox = append(e.inbox, q)
	e.poke()
	return nil
}

// loop works until the engine is closed.
func (o *owner) loop() {
	defer close(o.e.gone)
	for {
		if o.receive() {
			o.endAll(ErrClosed)
			o.e.closeErr = o.chain.close()
			return
		}
		o.sweep()
		o.admit()
		if o.step() {
			select {
			case c := <-o.e.calls:
				c.done <- c.do()
			default:
			}
			continue
		}
		select {
		case <-o.e.wake:
		case c := <-o.e.calls:
			c.done <- c.do()
		}
	}
}

// receive takes new sequences from the inbox and reports whether to close.
func (o *owner) receive() (closing bool) {
	o.e.mu.Lock()
	defer o.e.mu.Unlock()
	for i, q := range o.e.inbox {
		o.queue.push(q)
		o.e.inbox[i] = nil
	}
	o.e.inbox = o.e.inbox[:0]
	return o.e.closing
}

// sweep ends the sequences whose callers have gone.
func (o *owner) sweep() {
	gone := func(q *sequence) bool { return q.ctx.Err() != nil }
	o.queue.remove(func(q *sequence) bool {
		if gone(q) {
			o.e.queued(-1)
			o.end(q, StopCancel, nil)
			return true
		}
		return false
	})
	for i := len(o.active) - 1; i >= 0; i-- {
		if q := o.active[i]; gone(q) {
			o.end(q, StopCancel, nil)
		}
	}
}

// queued counts n more sequences that wait.
func (e *Engine) queued(n int) {
	e.mu.Lock()
	e.waiting += n
	e.mu.Unlock()
}

// end takes a sequence off the work and ends its stream.
func (o *owner) end(q *sequence, why StopReason, err error) {
	o.changed = true
	o.tryEnds(q)
	if len(q.unsure) > 0 { // a caller that is gone, or an error
		q.back(q.sure)
		o.release(q)
	}
	o.index.addTail(q)
	o.release(q)
	o.leave(q)
	q.unhook()
	st := &q.stats
	st.PromptTokens, st.Stop = len(q.r.Tokens), why
	now := time.Now()
	if !q.admitted.IsZero() {
		st.Compile = o.chain.compileTime() - q.compiled
		if q.first.IsZero() {
			q.first, q.last, q.firstCompiled = now, now, o.chain.compileTime()
		}
		st.PromptTime = q.first.Sub(q.admitted) - (q.firstCompiled - q.compiled)
		st.StepTime = time.Duration(o.pace[0] * float64(time.Second))
		st.GenerateTime = max(0, q.last.Sub(q.first)-(o.chain.compileTime()-q.firstCompiled))
	} else {
		st.QueueTime = now.Sub(q.submitted)
	}
	st.Checked = o.chain.checked - q.checked
	if q.prover != nil {
		st.Proof = q.prover.proof(st.GeneratedTokens)
	}
	q.stream.stats, q.stream.err = *st, err
	close(q.stream.events)
}

// leave takes a sequence off the active ones; nobody waits for it any more.
func (o *owner) leave(q *sequence) {
	q.active = false
	o.active = slices.DeleteFunc(o.active, func(a *sequence) bool { return a == q })
	for _, a := range o.active {
		if a.leader == q {
			a.leader = nil
		}
	}
}

// endAll ends everything with an error.
func (o *owner) endAll(err error) {
	o.queue.remove(func(q *sequence) bool {
		o.e.queued(-1)
		o.end(q, "", err)
		return true
	})
	for _, q := range slices.Clone(o.active) {
		o.end(q, "", err)
	}
}

// step runs one batch; false says that there is nothing to run.
func (o *owner) step() bool {
	if o.broken != nil {
		return false
	}
	o.changed = false
	o.chain.trim(o.pages.held)
	some := o.gatherNext()
	if err := o.fault; err != nil {
		o.fault = nil
		o.lost(err)
		return true
	}
	if !some {
		return o.changed // others may go on now
	}
	if o.prompts() {
		return o.flyPrompts()
	}
	if flights := o.ahead(); flights != nil {
		return o.flyWindows(flights)
	}
	if err := o.fault; err != nil {
		o.fault = nil
		o.lost(err)
		return true
	}
	ctx, start, compiled := o.e.ctx, time.Now(), o.chain.compileTime()
	if len(o.parts) == 1 { // nobody else would lose by it
		ctx = o.parts[0].q.ctx
	}
	size := o.e.sizeFor(len(o.batch.Tokens))
	if o.embeds {
		size = size.embedded()
	}
	out, err := o.chain.run(ctx, size, &o.batch)
	o.hear()
	if err != nil {
		return o.failed(ctx, err, func(end func(q *sequence)) {
			for _, p := range o.parts {
				end(p.q)
			}
		})
	}
	o.quiet()
	alone := o.answers == len(o.parts) && o.chain.compileTime() == compiled
	if alone {
		o.pace.took(len(o.batch.Tokens), time.Since(start))
	}
	epoch := o.epoch
	for _, p := range o.parts {
		if !p.q.active { // what was told of it meanwhile is its end
			continue
		}
		if o.took(p, out); o.epoch != epoch {
			return true
		}
	}
	if alone && len(o.parts) == 1 && o.parts[0].wants == window {
		o.widen(o.told, time.Since(start))
	}
	o.dueNow()
	return true
}

// quiet counts a step without a loss.
func (o *owner) quiet() {
	if o.calm++; o.calm == calmSteps {
		o.careful = 0
	}
}

// dueNow checks what has been computed where that is enough.
func (o *owner) dueNow() {
	if o.checking && (o.chain.due() || o.unsureTokens() >= uncheckedTokens) {
		o.confirm()
	}
}

// failed deals with a step that failed; each calls its argument with every sequence that had
// a part in it.
func (o *owner) failed(ctx context.Context, err error, each func(end func(q *sequence))) bool {
	switch {
	case errors.Is(err, ErrLost), errors.Is(err, ErrDevice) && o.movable():
		o.lost(err)
	case ctx.Err() != nil: // sweep ends it
		each(o.undo)
	default:
		each(func(q *sequence) {
			o.undo(q)
			o.end(q, "", err)
		})
	}
	return true
}

// took gives a sequence what the run computed for it.
func (o *owner) took(p part, out *model.Outputs) {
	q, epoch := p.q, o.epoch
	o.computed += p.n
	if q.r.Rows && p.wants > 0 && (!o.confirm() || !q.active) {
		return
	}
	first := q.stored
	q.stored += min(p.n, q.left()) // a guess is not q's yet
	if !q.tried {                  // nor is the state
		o.index.add(q)
	}
	if q.stored <= len(q.r.Tokens) {
		defer func() {
			if q.active {
				q.tell(Event{ID: -1, Done: q.stored, Total: len(q.r.Tokens)})
			}
		}()
	}
	if q.pooler != nil {
		o.pool(p, out)
		return
	}
	if q.r.Rows {
		vocab := o.e.Model.Config.NVocab
		for i := range p.wants {
			row := <-q.stream.rows // gather has seen that there are so many
			copy(row, out.Rows[(p.want+i)*vocab:][:vocab])
			q.stream.events <- Event{ID: -1, Pos: first + p.n - p.wants + i, Logits: row}
		}
		if q.left() == 0 {
			o.finish(q, StopLength)
		}
		return
	}
	if q.left() > 0 {
		return
	}
	if q.r.MaxTokens == 0 {
		o.finish(q, StopLength)
		return
	}
	q.stats.Drafted += p.wants - 1
	o.told = 0
	for i := range p.wants {
		o.told++
		id := o.answer(q, p.want+i, out)
		if !o.stayed(q, epoch) {
			return
		}
		if i == 0 && q.guess != noGuess {
			q.lookup.took(q.guess, id == q.guessed)
		}
		if i == p.wants-1 {
			break
		}
		if i > 0 {
			q.lookup.took(q.guess, id == q.draft[i])
		}
		if id != q.draft[i] {
			break
		}
		q.stored++ // what ran after it is what follows
		q.stats.Accepted++
	}
	q.guess = noGuess
	o.tryEnds(q)
}

// answer chooses the token that follows the stored ones of q from a wanted row and tells
// it; q may end thereby.
func (o *owner) answer(q *sequence, want int, out *model.Outputs) int32 {
	id, pos := int32(-1), int32(q.stored-1)
	banned := false
	var row []float32
	if q.onHost() {
		vocab := o.e.Model.Config.NVocab
		row = out.Rows[want*vocab:][:vocab]
		if q.r.Allow != nil {
			var err error
			if q.r.Settings.Allow, err = q.r.Allow(); err != nil {
				o.end(q, "", err)
				return id
			}
		}
		if id = o.sampler.Choose(row, &q.r.Settings, q.tokens); id >= 0 && q.prover != nil {
			q.prover.add(row)
		}
		banned = id < 0 && sample.Finite(row)
	} else {
		id = out.Tokens[want]
	}
	if id < 0 {
		if epoch := o.epoch; !o.confirm() || !o.stayed(q, epoch) {
			return id
		}
		if banned {
			o.end(q, "", fmt.Errorf("%w at position %d", ErrNoToken, pos+1))
		} else {
			o.end(q, "", o.notFinite(q.ctx, int(pos)))
		}
		return id
	}
	q.last = time.Now()
	if q.first.IsZero() {
		q.first, q.firstCompiled = q.last, o.chain.compileTime()
	}
	if o.e.Tokenizer.IsEOG(id) && !q.r.IgnoreEOS {
		o.finish(q, StopEOS)
		return id
	}
	q.stats.GeneratedTokens++
	q.tokens = append(q.tokens, id)
	ev := Event{ID: id}
	if q.r.LogProbs {
		likely := Row{Next: id, Logits: row}
		rank(&likely, q.r.Top) // of finite numbers: a token was chosen from them
		ev.LogProb, ev.Top = likely.LogProb, likely.Top
	}
	o.say(q, ev)
	if why := q.stop(o.e.Context, o.checking); why != "" {
		o.finish(q, why)
	} else if q.r.Allow != nil { // it is asked after Until has been told
		o.confirm()
	}
	return id
}
