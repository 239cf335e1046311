package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"eclat/model"
)

// collect reads a stream to its end.
func collect(s *Stream) (ids []int32, st Stats, err error) {
	for ev, ok := s.Next(); ok; ev, ok = s.Next() {
		if ev.ID >= 0 {
			ids = append(ids, ev.ID)
		}
	}
	st, err = s.Result()
	return ids, st, err
}

// TestMixed: sequences of odd lengths, joined and cancelled at random, in any number
// together, over any kinds of memory, each say what they say alone; afterwards all
// memory is free but what the index keeps.
func TestMixed(t *testing.T) {
	for name, kinds := range map[string][]model.Memory{
		"positions": {allPositions}, "window": {someWindow}, "states": {oneState},
		"all three": {allPositions, someWindow, oneState}, "both pages": {someWindow, allPositions},
	} {
		for _, n := range []int{1, 2, 3, 8, 17, 64} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				e := simulate(t, &sim{}, Options{Parallel: n, Context: 64 * n, eager: n%2 == 1}, kinds...)
				var wg sync.WaitGroup
				for i := range 2 * n {
					wg.Go(func() {
						r := rand.New(rand.NewPCG(uint64(i), uint64(n)))
						p := prompt(1+r.IntN(60), uint64(i%3), uint64(i)) // some begin alike
						want := say(e, p, r.IntN(20))
						ctx, cancel := context.WithCancel(context.Background())
						defer cancel()
						s, err := e.Submit(ctx, Request{Tokens: p, Share: -1, MaxTokens: len(want), IgnoreEOS: true, Draft: r.IntN(20)})
						if err != nil {
							t.Error(err)
							return
						}
						stop := -1
						if r.IntN(4) == 0 {
							stop = r.IntN(10)
						}
						var got []int32
						for ev, ok := s.Next(); ok; ev, ok = s.Next() {
							if len(got) == stop {
								cancel()
							}
							if ev.ID >= 0 {
								got = append(got, ev.ID)
							}
						}
						if st, err := s.Result(); err != nil || !slices.Equal(got, want[:min(len(got), len(want))]) ||
							st.Stop != StopCancel && st.Stop != StopContext && len(got) != len(want) {
							t.Errorf("sequence %d of %d tokens: got %v, want %v; %+v, %v", i, len(p), got, want, st, err)
						}
					})
				}
				wg.Wait()
				empty(t, e)
			})
		}
	}
}

// empty wants every unit free or held by the index alone.
func empty(t *testing.T, e *Engine) {
	t.Helper()
	err := e.do(context.Background(), func() error {
		for pool := range e.owner.pages.kinds {
			for n := e.owner.index.oldest; n != nil; n = n.newer {
				if u := n.units[pool]; u >= 0 {
					e.owner.pages.refs[pool][u]--
				}
			}
			for u, refs := range e.owner.pages.refs[pool] {
				if refs != 0 {
					t.Errorf("unit %d of pool %d has %d references too many", u, pool, refs)
				}
			}
			for n := e.owner.index.oldest; n != nil; n = n.newer {
				if u := n.units[pool]; u >= 0 {
					e.owner.pages.refs[pool][u]++
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestSharedPrefix: a prefix of 4,000 tokens that eight requests have in common is
// computed once, whether they come together or one after the other; a prompt that
// is nothing but shared pages copies the last one before it writes to it.
func TestSharedPrefix(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 16384}, allPositions)
	ctx := context.Background()
	common := prompt(4000, 7)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p := append(slices.Clone(common), prompt(10+i, uint64(100+i))...)
			want := say(e, p, 5)
			s, err := e.Submit(ctx, Request{Tokens: p, Share: -1, MaxTokens: 5, IgnoreEOS: true})
			if err != nil {
				t.Error(err)
				return
			}
			if got, _, err := collect(s); err != nil || !slices.Equal(got, want) {
				t.Errorf("request %d: %v, want %v; %v", i, got, want, err)
			}
		})
	}
	wg.Wait()
	c, err := e.Counters(ctx)
	if most := 4000 + 8*(10+8+5+model.PageLen); err != nil || c.Computed > most {
		t.Errorf("%d tokens computed, at most %d are not shared; %v", c.Computed, most, err)
	}

	before := c
	whole := common[:1024] // whole pages, all of them in the index
	s, err := e.Submit(ctx, Request{Tokens: whole, Share: -1, MaxTokens: 40, IgnoreEOS: true})
	if err != nil {
		t.Fatal(err)
	}
	got, st, err := collect(s)
	if err != nil || !slices.Equal(got, say(e, whole, 40)) || st.CachedTokens != 1023 {
		t.Errorf("after a whole shared prompt: %v; %+v, %v", got, st, err)
	}
	if c, err = e.Counters(ctx); err != nil || c.Copied != before.Copied+1 || c.Computed != before.Computed+40 {
		t.Errorf("%+v after %+v, want one page copied and 40 tokens computed; %v", c, before, err)
	}
	// What was copied has not changed what others read.
	s, err = e.Submit(ctx, Request{Tokens: common, Share: -1, MaxTokens: 3, IgnoreEOS: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, st, err := collect(s); err != nil || !slices.Equal(got, say(e, common, 3)) || st.CachedTokens != 3999 {
		t.Errorf("the shared prompt again: %v; %+v, %v", got, st, err)
	}
	empty(t, e)
}

// TestCanaries: 64 callers whose prompts begin alike, under eviction: nothing of one
// is ever read by another, and each finds its own again.
func TestCanaries(t *testing.T) {
	for _, c := range []struct {
		context int // 2048 hold an eighth of it, 16384 all
		kinds   []model.Memory
	}{
		{2048, []model.Memory{allPositions}}, {2048, []model.Memory{allPositions, someWindow}}, {16384, []model.Memory{allPositions}},
		{2048, []model.Memory{allPositions, oneState}}, {2048, []model.Memory{oneState, someWindow}},
	} {
		e := simulate(t, &sim{}, Options{Context: c.context}, c.kinds...)
		var wg sync.WaitGroup
		var mu sync.Mutex
		cached := 0
		for i := range 64 {
			wg.Go(func() {
				caller := fmt.Sprintf("caller %d", i)
				p := append(prompt(96, 1), prompt(64, uint64(1000+i))...)
				for round := range 3 {
					st, err := e.Generate(context.Background(), Request{Tokens: p, Caller: caller, Share: -1, MaxTokens: 0}, nil, nil)
					if err != nil {
						t.Error(err)
					}
					if round == 0 && st.CachedTokens > 0 {
						t.Errorf("caller %d found %d tokens that only others have written", i, st.CachedTokens)
					}
					mu.Lock()
					cached += st.CachedTokens
					mu.Unlock()
					q, err := e.Submit(context.Background(), Request{Tokens: p, Caller: caller, Share: -1, MaxTokens: 3, IgnoreEOS: true})
					if err != nil {
						t.Error(err)
						return
					}
					if got, _, err := collect(q); err != nil || !slices.Equal(got, say(e, p, 3)) {
						t.Errorf("caller %d: %v, %v", i, got, err)
					}
				}
			})
		}
		wg.Wait()
		if cached == 0 && c.context > 2048 {
			t.Error("nobody found anything again: the test tests nothing")
		}
		empty(t, e)
	}
}

// TestStress: sixteen goroutines submit, cancel and at last close, while devices are
// lost; every answer is right as far as it goes, and everything ends.
func TestStress(t *testing.T) {
	t.Run("pages", func(t *testing.T) { stress(t, allPositions, someWindow) })
	t.Run("states", func(t *testing.T) { stress(t, allPositions, oneState) })
}

func stress(t *testing.T, kinds ...model.Memory) {
	runs := 0
	s := &sim{fault: func(call string) error {
		if call == "run" {
			if runs++; runs%37 == 0 {
				return model.ErrLost
			}
		}
		return nil
	}}
	s.kind = model.DiscreteGPU
	host := &sim{kind: model.Processor}
	e := open(t, builtIn, Options{Device: "sim", devices: []model.Device{s, host}, Context: 1024, open: memories(kinds...)})
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for i := 0; ; i++ {
				ctx, cancel := context.WithCancel(context.Background())
				p := prompt(1+r.IntN(200), uint64(r.IntN(2)), uint64(g))
				q, err := e.Submit(ctx, Request{Tokens: p, Caller: fmt.Sprint(g % 3), Share: -1, MaxTokens: 8, IgnoreEOS: true})
				if errors.Is(err, ErrClosed) {
					cancel()
					return
				}
				if err != nil {
					t.Error(err)
				}
				if r.IntN(3) == 0 {
					cancel()
				}
				got, st, err := collect(q)
				cancel()
				if err != nil && !errors.Is(err, ErrClosed) {
					t.Errorf("%+v: %v", st, err)
				}
				if want := say(e, p, len(got)); !slices.Equal(got, want) {
					t.Errorf("%v, want %v", got, want)
				}
				if g == 0 && i == 60 {
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if e.Losses() == 0 {
		t.Error("no device was lost: the test tests nothing")
	}
}

// TestQueue: more requests than may wait are refused; callers take turns; a request
// that waits can be cancelled.
func TestQueue(t *testing.T) {
	hold, began := make(chan struct{}), make(chan struct{}, 1)
	s := &sim{fault: func(call string) error {
		if call == "run" {
			select {
			case began <- struct{}{}:
			default:
			}
			<-hold
		}
		return nil
	}}
	e := simulate(t, s, Options{Parallel: 1, Queue: 4, Context: 256}, allPositions)
	waited := map[string][]time.Duration{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	submit := func(ctx context.Context, caller string) error {
		q, err := e.Submit(ctx, Request{Tokens: []int32{1, 2, 3}, Caller: caller, MaxTokens: 1, IgnoreEOS: true})
		if err != nil {
			return err
		}
		wg.Go(func() {
			_, st, _ := collect(q)
			mu.Lock()
			defer mu.Unlock()
			waited[caller+" "+string(st.Stop)] = append(waited[caller+" "+string(st.Stop)], st.QueueTime)
		})
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := submit(ctx, "first"); err != nil {
		t.Fatal(err)
	}
	<-began
	gone, leave := context.WithCancel(ctx)
	for _, c := range []string{"a", "a", "b"} {
		if err := submit(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := submit(gone, "c"); err != nil {
		t.Fatal(err)
	}
	if err := submit(ctx, "d"); !errors.Is(err, ErrBusy) {
		t.Errorf("a fifth waiting request: %v, want %v", err, ErrBusy)
	}
	leave()
	close(hold)
	wg.Wait()
	cancel()
	if len(waited["c interrupted"]) != 1 {
		t.Errorf("the cancelled request did not end as such: %v", waited)
	}
	if a, b := waited["a token limit"], waited["b token limit"]; len(a) != 2 || len(b) != 1 || b[0] > max(a[0], a[1]) {
		t.Errorf("b had to wait for all of a's: %v", waited)
	}
}

// TestSlowReader: a stream that nobody reads holds up no other.
func TestSlowReader(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 2048}, allPositions)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	slow, err := e.Submit(ctx, Request{Tokens: prompt(10, 1), MaxTokens: 500, IgnoreEOS: true})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := e.Submit(ctx, Request{Tokens: prompt(300, 2), Rows: true})
	if err != nil {
		t.Fatal(err)
	}
	p := prompt(40, 3)
	q, err := e.Submit(ctx, Request{Tokens: p, MaxTokens: 400, IgnoreEOS: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := collect(q); err != nil || !slices.Equal(got, say(e, p, 400)) {
		t.Errorf("beside a slow reader: %d tokens, %v", len(got), err)
	}
	// And the slow ones go on when they are read.
	if got, _, err := collect(slow); err != nil || !slices.Equal(got, say(e, prompt(10, 1), 500)) {
		t.Errorf("the slow reader: %d tokens, %v", len(got), err)
	}
	next := 0
	for ev, ok := rows.Next(); ok; ev, ok = rows.Next() {
		if ev.Logits == nil {
			continue
		}
		if ev.Pos != next {
			t.Errorf("row of position %d, want %d", ev.Pos, next)
		}
		next++
	}
	if _, err := rows.Result(); err != nil || next != 300 {
		t.Errorf("%d rows, %v", next, err)
	}
}

// TestAnswersGoFirst: while a long prompt is read in chunks, a running answer gets a
// token with every batch.
func TestAnswersGoFirst(t *testing.T) {
	s := &sim{}
	e := simulate(t, s, Options{Context: 8192}, allPositions)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	answer, err := e.Submit(ctx, Request{Tokens: []int32{5}, MaxTokens: -1, IgnoreEOS: true})
	if err != nil {
		t.Fatal(err)
	}
	answer.Next()
	long, err := e.Submit(ctx, Request{Tokens: prompt(4000, 1), MaxTokens: 1, IgnoreEOS: true})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		collect(long)
		close(done)
	}()
	for got := false; !got; {
		select {
		case <-done:
			got = true
		default:
			answer.Next()
		}
	}
	cancel()
	collect(answer)
	s.mu.Lock()
	defer s.mu.Unlock()
	alone := 0 // runs of the long prompt alone, after the answer began
	for _, n := range s.batches[1:] {
		if n == 1 {
			alone++
		}
	}
	if both := len(s.batches) - 1 - alone; both < 4000/64/2 {
		t.Errorf("of %d batches %d had both sequences", len(s.batches), both)
	}
}

// TestSizes: programs are run in the smallest size that the batch fits.
func TestSizes(t *testing.T) {
	s := &sim{}
	e := simulate(t, s, Options{Context: 256}, allPositions)
	if _, err := e.Generate(context.Background(), Request{Tokens: prompt(70, 1), MaxTokens: 3, IgnoreEOS: true}, nil, nil); err != nil {
		t.Fatal(err)
	}
	want := map[int]int{64: 1, 8: 1, 1: 2}
	for size, n := range s.sizes {
		if want[size.Tokens] != n {
			t.Errorf("%d runs of %d tokens, want %d", n, size.Tokens, want[size.Tokens])
		}
	}
}

// TestGiveWay: where memory is short, sequences give way to older ones, start again,
// and say what they say; also when the device is lost meanwhile. A sequence that
// waits holds nothing.
func TestGiveWay(t *testing.T) {
	for lose := range 12 {
		runs := 0
		s := &sim{kind: model.DiscreteGPU, fault: func(call string) error {
			if call == "run" {
				if runs++; lose > 0 && runs%(3+lose) == 0 && runs < 60 {
					return model.ErrLost
				}
			}
			return nil
		}}
		host := &sim{kind: model.Processor}
		e := open(t, builtIn, Options{Device: "sim", devices: []model.Device{s, host}, Context: 320, open: memories(allPositions, someWindow)})
		holds := false
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				p := prompt(20+11*i, 1, uint64(i))
				n := 1 + 7*(15-i)
				q, err := e.Submit(context.Background(), Request{Tokens: p, Share: -1, MaxTokens: n, IgnoreEOS: true})
				if err != nil {
					t.Error(err)
					return
				}
				var got []int32
				for ev, ok := q.Next(); ok; ev, ok = q.Next() {
					if ev.ID < 0 {
						continue
					}
					got = append(got, ev.ID)
					e.do(context.Background(), func() error {
						for _, waiting := range e.owner.queue.wait {
							for _, w := range waiting {
								holds = holds || len(w.units) > 0 || w.shared != nil
							}
						}
						return nil
					})
				}
				if st, err := q.Result(); err != nil || !slices.Equal(got, say(e, p, n)) {
					t.Errorf("losing every %d runs: request %d: %d tokens of %d; %+v, %v", 3+lose, i, len(got), n, st, err)
				}
			})
		}
		wg.Wait()
		e.do(context.Background(), func() error {
			if holds {
				t.Error("a sequence that waits holds memory")
			}
			return nil
		})
		empty(t, e)
	}
}
