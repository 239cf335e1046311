package core

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"eclat/engine"
	"eclat/engine/turn"
	"eclat/model/chat"
)

// Open gives the exchange the use of a model, until its end; "" is the default one.
func (x *Exchange) Open(name string) (*Model, error) {
	if x.lease == nil {
		l, err := x.Models.Acquire(x.Context(), name)
		if err != nil {
			x.Note(slog.String("model", short(name)))
			return nil, err
		}
		x.lease = l
		x.Note(slog.String("model", l.Name))
	}
	return x.lease.Model, nil
}

// Render makes the prompt of a conversation. What the template refuses is the client's
// fault.
func (x *Exchange) Render(m *Model, c *chat.Conversation) (*turn.Prompt, error) {
	p, err := m.Render(x.Context(), c, x.Now())
	switch {
	case err == nil:
		if x.Prompts {
			x.Log.Info("prompt", slog.String("id", x.ID), slog.Int("tokens", len(p.IDs)), slog.String("text", p.Text.String), slog.Any("ids", p.IDs))
		}
		return p, nil
	case x.Context().Err() != nil:
		return nil, context.Canceled
	case errors.Is(err, chat.ErrNoTemplate):
		return nil, Of(cmp.Or(m.NoChat, err))
	}
	return nil, Wrong("messages", "do not fit the chat template: %v", err)
}

// Answer is an answer of a model on its way. What it took is counted once, at its end.
type Answer struct {
	*turn.Answer
	x       *Exchange
	m       *Model
	run     *Run
	cancel  context.CancelFunc
	last    time.Time
	first   bool // the first token has come
	counted bool
}

// Submit hands in a request of the exchange's caller, with all its prompt to be shared with
// that caller's others. Stop ends the answer; so does the client's leaving.
func (x *Exchange) Submit(m *Model, r turn.Request) (*Answer, error) {
	if len(r.Tokens) >= m.Engine.Context && r.MaxTokens != 0 { // it leaves no room for an answer
		return nil, &engine.ContextError{Prompt: len(r.Tokens), Context: m.Engine.Context}
	}
	r.Caller, r.Share, r.Draft = x.Caller, -1, x.Draft
	ctx, cancel := context.WithCancel(x.Context())
	a, err := m.Submit(ctx, r)
	if err != nil {
		cancel()
		if small := (*engine.ContextError)(nil); !errors.As(err, &small) && !errors.Is(err, engine.ErrBusy) && !errors.Is(err, engine.ErrClosed) {
			err = refused(err)
		}
		return nil, err
	}
	return &Answer{Answer: a, x: x, m: m, run: x.runs.begin(m.Name, len(r.Tokens)), cancel: cancel, last: x.begun}, nil
}

// refused is the error of a request that an engine does not take: one that asks for what
// cannot be.
func refused(err error) error { return Errorf(http.StatusBadRequest, "%v", err) }

// Next waits for the next event and reports false at the end of the answer.
func (a *Answer) Next() (turn.Event, bool) {
	ev, ok := a.Answer.Next()
	switch {
	case !ok:
		a.count()
	case ev.ID >= 0:
		now := time.Now()
		h := a.x.Metrics.between
		if !a.first {
			h = a.x.Metrics.first
		}
		h.WithLabelValues(a.m.Name).Observe(now.Sub(a.last).Seconds())
		a.first, a.last = true, now
		a.run.generated.Add(1)
	case ev.Total > 0:
		a.run.done.Store(int64(ev.Done))
	}
	return ev, ok
}

// Stop ends the answer early; it is still to be read to its end, which Drain does.
func (a *Answer) Stop() { a.cancel() }

// Drain ends the answer and waits for its end. After the end it does nothing.
func (a *Answer) Drain() {
	a.cancel()
	for _, ok := a.Next(); ok; _, ok = a.Next() {
	}
}

// count counts the answer and tells the log of it.
func (a *Answer) count() {
	if a.counted {
		return
	}
	a.counted = true
	a.cancel()
	a.x.runs.end(a.run)
	res, err := a.Result()
	a.x.Metrics.answer(a.m.Name, res.Stats, err)
	end := string(res.Stop)
	if err != nil {
		end = "error"
	}
	a.x.Note(slog.Int("prompt", res.PromptTokens), slog.Int("cached", res.CachedTokens), slog.Int("generated", res.GeneratedTokens),
		slog.Float64("tokens_per_second", rate(res.GeneratedTokens-1, res.GenerateTime)), slog.String("end", end))
}

// rate is n a second, 0 where there is none.
func rate(n int, d time.Duration) float64 {
	if n <= 0 || d <= 0 {
		return 0
	}
	return float64(int(100*float64(n)/d.Seconds())) / 100
}

// Run is an answer at work, for whoever looks at the server.
type Run struct {
	Model           string
	Prompt          int // tokens
	Begun           time.Time
	done, generated atomic.Int64
}

// Done is how many tokens of the prompt are computed, and Generated how many came since.
func (r *Run) Done() int      { return int(r.done.Load()) }
func (r *Run) Generated() int { return int(r.generated.Load()) }

// runs are the answers at work.
type runs struct {
	mu  sync.Mutex
	all []*Run
}

func (r *runs) begin(model string, prompt int) *Run {
	run := &Run{Model: model, Prompt: prompt, Begun: time.Now()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, run)
	return run
}

func (r *runs) end(run *Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = slices.DeleteFunc(r.all, func(other *Run) bool { return other == run })
}

// Runs are the answers at work, the oldest first.
func (c *Core) Runs() []*Run {
	c.runs.mu.Lock()
	defer c.runs.mu.Unlock()
	return slices.Clone(c.runs.all)
}
