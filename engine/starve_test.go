package engine

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"eclat/model"
)

// patience guards the tests of this file against hanging for ever.
const patience = time.Minute

// within ends a test that a stuck scheduler would hold up for ever.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s: the scheduler is stuck", what)
	}
}

// waiting queues a request on the owner's goroutine, so that a test can take step by
// step.
func waiting(e *Engine, r Request) *sequence {
	q := &sequence{ctx: context.Background(), r: r, tokens: slices.Clone(r.Tokens), unhook: func() bool { return true }}
	q.stream = &Stream{e: e, events: make(chan Event, streamEvents)}
	e.owner.queue.push(q)
	e.queued(1)
	return q
}

// ended reports whether the stream of q has; its Stats are set then.
func ended(q *sequence) bool { return q.stream.stats.PromptTokens > 0 }

// TestUnreadRows: rows behind the progress of a long prompt fill a stream that nobody
// reads, and the owner waits for nobody but goes on with others.
func TestUnreadRows(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 4096}, allPositions)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	rows, err := e.Submit(ctx, Request{Tokens: prompt(2048, 2), Rows: true, From: 1500})
	if err != nil {
		t.Fatal(err)
	}
	within(t, "beside an unread stream", func() {
		for range 5 { // enough steps for the rows to come
			if _, err := e.Generate(context.Background(), Request{Tokens: prompt(40, 3), MaxTokens: 40, IgnoreEOS: true}, nil, nil); err != nil {
				t.Error(err)
			}
		}
	})
	next := 1500
	within(t, "the rows", func() {
		for ev, ok := rows.Next(); ok; ev, ok = rows.Next() {
			if ev.Logits == nil {
				continue
			}
			if ev.Pos != next {
				t.Errorf("row of position %d, want %d", ev.Pos, next)
			}
			next++
		}
	})
	if next != 2048 {
		t.Errorf("rows to %d", next)
	}
}

// TestRowsFrom: any number may be the first row; shared pages hide no row.
func TestRowsFrom(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 512}, allPositions)
	p := prompt(150, 1)
	for _, from := range []int{0, 149, 150, 1000, math.MaxInt, -1, math.MinInt, 70, 0} {
		want := 150 - min(max(from, 0), 150)
		got := 0
		within(t, "rows", func() {
			s, err := e.Submit(context.Background(), Request{Tokens: p, Share: -1, Rows: true, From: from})
			if err != nil {
				t.Error(err)
				return
			}
			for ev, ok := s.Next(); ok; ev, ok = s.Next() {
				if ev.Logits != nil {
					got++
				}
			}
			if _, err := s.Result(); err != nil {
				t.Error(err)
			}
		})
		if got != want {
			t.Errorf("from %d: %d rows, want %d", from, got, want)
		}
		// The prompt again, so that all its pages are shared.
		if _, err := e.Generate(context.Background(), Request{Tokens: p, Share: -1}, nil, nil); err != nil {
			t.Error(err)
		}
	}
	empty(t, e)
}

// TestWholeContextTwice: a prompt as long as the context is answered again when all
// pages are its own shared ones, and none is left to copy the last one to.
func TestWholeContextTwice(t *testing.T) {
	for _, kinds := range [][]model.Memory{{allPositions}, {allPositions, someWindow}, {someWindow}} {
		e := simulate(t, &sim{}, Options{Context: 128, Parallel: 2}, kinds...)
		p := prompt(128, 1)
		for i := range 3 {
			s, err := e.Submit(context.Background(), Request{Tokens: p, Share: -1, MaxTokens: 1, IgnoreEOS: true})
			if err != nil {
				t.Fatal(err)
			}
			if got, st, err := collect(s); err != nil || !slices.Equal(got, say(e, p, 1)) || (i > 0) != (st.CachedTokens > 0) {
				t.Errorf("time %d: %v; %+v, %v", i, got, st, err)
			}
		}
		empty(t, e)
	}
}

// TestGiveWayToOlder: sequences that outgrow the memory together take turns, and each gets
// its whole answer; one that gave way holds nothing while it waits.
func TestGiveWayToOlder(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 256, Parallel: 4}, allPositions)
	within(t, "too little memory", func() {
		var streams []*Stream
		var want [][]int32
		for i := range 6 {
			p := prompt(60+10*i, uint64(i))
			s, err := e.Submit(context.Background(), Request{Tokens: p, Share: -1, MaxTokens: 256 - len(p), IgnoreEOS: true})
			if err != nil {
				t.Fatal(err)
			}
			streams, want = append(streams, s), append(want, say(e, p, 256-len(p)))
		}
		done := make(chan bool)
		for i, s := range streams {
			go func() {
				if got, st, err := collect(s); err != nil || !slices.Equal(got, want[i]) {
					t.Errorf("sequence %d: %d tokens of %d; %+v, %v", i, len(got), len(want[i]), st, err)
				}
				done <- true
			}()
		}
		for range streams {
			<-done
		}
	})
	empty(t, e)
}

// TestGaveWayHoldsNothing: a prompt that gives way to an answer in the middle of a step
// takes none of its shared pages again before it is admitted.
func TestGaveWayHoldsNothing(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 128, Parallel: 2}, allPositions)
	err := e.do(context.Background(), func() error {
		o := e.owner
		answer := waiting(e, Request{Tokens: prompt(32, 1), Share: 32, MaxTokens: -1, IgnoreEOS: true})
		o.admit()
		o.step() // the first page is full, the answer begins
		other := waiting(e, Request{Tokens: prompt(64, 2), Share: 64, MaxTokens: -1, IgnoreEOS: true})
		o.admit()
		for range 35 { // until the answer needs a third page
			o.step()
			for len(answer.stream.events) > 0 {
				<-answer.stream.events
			}
		}
		if slices.Contains(o.active, other) || other.units != nil || other.stored != 0 {
			t.Errorf("the sequence that gave way has %d tokens in memory", other.stored)
		}
		if !slices.Contains(o.active, answer) || ended(answer) {
			t.Error("the answer did not go on")
		}
		for _, q := range []*sequence{answer, other} {
			o.queue.remove(func(w *sequence) bool { return w == q })
			o.end(q, StopCancel, nil)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	empty(t, e)
}

// TestFollowTheFollower: two sequences never wait for each other, not even when the
// first gives way and comes back behind the one that followed it.
func TestFollowTheFollower(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 512, Parallel: 4}, allPositions)
	err := e.do(context.Background(), func() error {
		o := e.owner
		var qs []*sequence
		for range 2 {
			qs = append(qs, waiting(e, Request{Tokens: prompt(100, 1), Share: 100}))
		}
		o.admit()
		if qs[1].leader != qs[0] {
			t.Error("the second sequence does not follow the first")
		}
		o.giveWay(qs[0], o.queue.pushFront)
		o.admit()
		for range 10 {
			o.step()
		}
		for i, q := range qs {
			if !ended(q) {
				t.Errorf("sequence %d waits for ever", i)
				o.end(q, StopCancel, nil)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	empty(t, e)
}

// TestProbeHoldsPages: beside a probe that holds pages, followers of a sequence that
// finds no memory do not wait for it for ever.
func TestProbeHoldsPages(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 128, Parallel: 4}, allPositions)
	ctx := context.Background()
	p, err := e.NewProbe(ctx, ProbeOptions{Tokens: 64})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(ctx, prompt(64, 9)); err != nil {
		t.Fatal(err)
	}
	within(t, "beside a probe", func() {
		var streams []*Stream
		for range 3 {
			s, err := e.Submit(ctx, Request{Tokens: prompt(128, 1), Share: -1, MaxTokens: 1, IgnoreEOS: true})
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, s)
		}
		for _, s := range streams {
			if _, _, err := collect(s); !errors.Is(err, ErrMemory) {
				t.Errorf("%v, want %v", err, ErrMemory)
			}
		}
	})
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	empty(t, e)
}

// TestPausedGivesWay: a stream that nobody reads does not keep its memory from others.
func TestPausedGivesWay(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 128, Parallel: 4}, allPositions)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	first := prompt(60, 1)
	slow, err := e.Submit(ctx, Request{Tokens: first, MaxTokens: 60, IgnoreEOS: true})
	if err != nil {
		t.Fatal(err)
	}
	within(t, "beside an unread stream", func() {
		p := prompt(30, 2)
		s, err := e.Submit(ctx, Request{Tokens: p, MaxTokens: 90, IgnoreEOS: true})
		if err != nil {
			t.Fatal(err)
		}
		if got, st, err := collect(s); err != nil || !slices.Equal(got, say(e, p, 90)) {
			t.Errorf("%d tokens; %+v, %v", len(got), st, err)
		}
		if got, st, err := collect(slow); err != nil || !slices.Equal(got, say(e, first, 60)) {
			t.Errorf("the unread stream: %d tokens; %+v, %v", len(got), st, err)
		}
	})
	empty(t, e)
}

// TestIndexStaysSmall: an index whose pages windows gave up forgets them too.
func TestIndexStaysSmall(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 512, Parallel: 1}, someWindow)
	for i := range 50 {
		if _, err := e.Generate(context.Background(), Request{Tokens: prompt(200, uint64(i)), Share: -1}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	e.do(context.Background(), func() error {
		x := e.owner.index
		if units := x.pages.kinds[0].Units; len(x.nodes) > 4*units || len(x.roots) > 1 {
			t.Errorf("%d nodes in the index, memory has %d pages", len(x.nodes), units)
		}
		return nil
	})
	empty(t, e)
}

// TestWindowComesBack: a page that a window gave up and that was computed again is
// shared again.
func TestWindowComesBack(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 512, Parallel: 2}, allPositions, someWindow)
	p := prompt(200, 1)
	cached := func() int {
		st, err := e.Generate(context.Background(), Request{Tokens: p, Share: -1}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return st.CachedTokens
	}
	cached()
	want := cached()
	e.do(context.Background(), func() error {
		for e.owner.index.giveUp(1) {
		}
		return nil
	})
	if n := cached(); n != 0 {
		t.Errorf("%d tokens found whose windows are gone", n)
	}
	if n := cached(); n != want || n == 0 {
		t.Errorf("%d tokens found once they were computed again, want %d", n, want)
	}
	empty(t, e)
}

// TestContextIsLetGo: a context that outlives its requests keeps nothing of them.
func TestContextIsLetGo(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 256}, allPositions)
	ctx := &countingContext{Context: context.Background(), done: make(chan struct{})}
	for range 10 {
		if _, err := e.Generate(ctx, Request{Tokens: []int32{1, 2}, MaxTokens: 2, IgnoreEOS: true}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	e.do(context.Background(), func() error { return nil }) // the last one has ended
	if ctx.held != 0 {
		t.Errorf("%d functions wait for a context whose requests have ended", ctx.held)
	}
}

// countingContext counts the functions that wait for its end.
type countingContext struct {
	context.Context
	done chan struct{}
	held int
}

func (c *countingContext) Done() <-chan struct{} { return c.done }

func (c *countingContext) AfterFunc(func()) (stop func() bool) {
	c.held++
	return func() bool { c.held--; return true }
}

// TestCopyLost: a device that is lost while it copies a page is brought back like any
// other.
func TestCopyLost(t *testing.T) {
	copies := 0
	e := losing(t, func(call string) error {
		if call == "copy" {
			if copies++; copies == 1 {
				return model.ErrLost
			}
		}
		return nil
	}, nil)
	p := prompt(96, 1)
	for range 2 {
		s, err := e.Submit(context.Background(), Request{Tokens: p, Share: -1, MaxTokens: 5, IgnoreEOS: true})
		if err != nil {
			t.Fatal(err)
		}
		if got, st, err := collect(s); err != nil || !slices.Equal(got, say(e, p, 5)) {
			t.Errorf("%v; %+v, %v", got, st, err)
		}
	}
	if copies == 0 || e.Losses() != 1 {
		t.Errorf("%d copies, %d losses", copies, e.Losses())
	}
	empty(t, e)
}

// TestManyAnswers: with more sequences than a batch has tokens each has its turn, and
// a prompt is read beside them.
func TestManyAnswers(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 16384, Parallel: 100}, allPositions)
	err := e.do(context.Background(), func() error {
		o := e.owner
		steps := func(n int) {
			for range n {
				o.admit()
				o.step()
			}
		}
		var answers []*sequence
		for i := range 99 {
			answers = append(answers, waiting(e, Request{Tokens: prompt(1, uint64(i)), MaxTokens: -1, IgnoreEOS: true}))
		}
		steps(12)
		for i, q := range answers {
			if q.stats.GeneratedTokens < 2 {
				t.Errorf("after 12 steps answer %d has %d tokens", i, q.stats.GeneratedTokens)
			}
		}
		q := waiting(e, Request{Tokens: prompt(100, 1)})
		steps(15)
		if !ended(q) {
			t.Errorf("after 15 steps %d tokens of a prompt are read", q.stored)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestUnreadSlots: streams that nobody reads do not keep the places of others, and
// each goes on once it is read.
func TestUnreadSlots(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 1024, Parallel: 2}, allPositions)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var unread []*Stream
	for i := range 5 {
		s, err := e.Submit(ctx, Request{Tokens: prompt(20, uint64(i)), MaxTokens: 70, IgnoreEOS: true})
		if err != nil {
			t.Fatal(err)
		}
		unread = append(unread, s)
	}
	within(t, "beside unread streams", func() {
		for i := range 4 {
			p := prompt(30+i, 9)
			s, err := e.Submit(ctx, Request{Tokens: p, MaxTokens: 50, IgnoreEOS: true})
			if err != nil {
				t.Error(err)
				return
			}
			if got, st, err := collect(s); err != nil || !slices.Equal(got, say(e, p, 50)) {
				t.Errorf("%d tokens; %+v, %v", len(got), st, err)
			}
		}
		for i, s := range unread {
			if got, st, err := collect(s); err != nil || !slices.Equal(got, say(e, prompt(20, uint64(i)), 70)) {
				t.Errorf("unread stream %d: %d tokens; %+v, %v", i, len(got), st, err)
			}
		}
	})
	empty(t, e)
}
