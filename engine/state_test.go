package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"eclat/model"
	"eclat/model/sample"
)

// ask generates n tokens after a prompt, which may be shared, and checks them.
func ask(t *testing.T, e *Engine, p []int32, n int) Stats {
	t.Helper()
	s, err := e.Submit(context.Background(), Request{Tokens: p, Share: -1, MaxTokens: n, IgnoreEOS: true})
	if err != nil {
		t.Fatal(err)
	}
	got, st, err := collect(s)
	if err != nil || !slices.Equal(got, say(e, p, n)) {
		t.Errorf("%d tokens after %d: %v, want %v; %v", n, len(p), got, say(e, p, n), err)
	}
	return st
}

// TestSharedState: a model with a state a sequence shares a prefix of 4,000 tokens among
// eight requests that come together, by a snapshot where they part.
func TestSharedState(t *testing.T) {
	for _, kinds := range [][]model.Memory{{oneState}, {allPositions, oneState}, {oneState, someWindow, allPositions}} {
		e := simulate(t, &sim{}, Options{Context: 8 * 4096}, kinds...)
		common := prompt(4000, 7)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() { ask(t, e, append(slices.Clone(common), prompt(10+i, uint64(100+i))...), 5) })
		}
		wg.Wait()
		c, err := e.Counters(context.Background())
		if most := 4000 + 8*(10+8+5+model.PageLen); err != nil || c.Computed > most {
			t.Errorf("%d tokens computed, at most %d are not shared; %v", c.Computed, most, err)
		}
		// Nobody stopped at 1,000: what comes first leaves a snapshot there, the next finds it.
		for i, want := range []int{0, 992, 992} {
			if st := ask(t, e, append(slices.Clone(common[:1000]), prompt(50, uint64(i+1))...), 3); st.CachedTokens != want {
				t.Errorf("prompt %d that parts at 1000: %d tokens cached, want %d", i, st.CachedTokens, want)
			}
		}
		// Of a prompt of whole pages the last token runs: the page before is the last that is shared.
		for i, want := range []int{992, 992} {
			if st := ask(t, e, common[:1024], 40); st.CachedTokens != want {
				t.Errorf("a prompt of 1024, time %d: %d tokens cached, want %d", i, st.CachedTokens, want)
			}
		}
		// A conversation goes on from the end of the answer before.
		p := append(slices.Clone(common), prompt(100, 55)...)
		ask(t, e, p, 20)
		p = append(append(p, say(e, p, 20)...), prompt(30, 56)...)
		if st := ask(t, e, p, 3); st.CachedTokens != 4119 {
			t.Errorf("a conversation's second turn: %d tokens cached, want 4119", st.CachedTokens)
		}
		empty(t, e)
	}
}

// TestTwoSlotsMore: with one sequence at a time there are slots for two snapshots; where all
// slots are taken the sequence goes on in it, and nothing is shared.
func TestTwoSlotsMore(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 4096, Parallel: 1}, allPositions, oneState)
	a, b, d := prompt(100, 1), prompt(100, 2), prompt(100, 3)
	for i, c := range []struct {
		p      []int32
		cached int
	}{{a, 0}, {a, 96}, {b, 0}, {b, 96}, {d, 0}, {d, 96}, {a, 0}} { // there is room for two
		if st := ask(t, e, c.p, 10); st.CachedTokens != c.cached {
			t.Errorf("request %d: %d tokens cached, want %d", i, st.CachedTokens, c.cached)
		}
	}
	empty(t, e)

	e = simulate(t, &sim{}, Options{Context: 4096, Parallel: 4}, oneState)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			for j := range 10 {
				ask(t, e, append(prompt(64, uint64(j%3)), prompt(5+j, uint64(i))...), 20)
			}
		})
	}
	wg.Wait()
	empty(t, e)
}

// TestTakeBack: a sequence returns to where it stood, and what ran since then, a draft that
// was wrong, never was.
func TestTakeBack(t *testing.T) {
	for _, kinds := range [][]model.Memory{{oneState}, {allPositions, oneState}} {
		e := simulate(t, &sim{}, Options{Context: 512, Parallel: 1}, kinds...)
		o := e.owner
		err := e.do(context.Background(), func() error {
			q := &sequence{tokens: prompt(40, 3)}
			run := func(ids []int32) int32 { // and the answer after them
				if ok, err := o.reserve(context.Background(), q, len(ids)); !ok || err != nil {
					t.Fatal(ok, err)
				}
				b := &model.Batch{Tokens: ids, Seqs: []model.SeqRun{{N: len(ids), Units: q.units}}, Want: []int32{int32(len(ids) - 1)}, How: make([]sample.Params, 1)}
				for i := range ids {
					b.Pos = append(b.Pos, int32(q.stored+i))
				}
				out, err := o.chain.run(context.Background(), ofSize{Size: e.size(64)}, b)
				if err != nil {
					t.Fatal(err)
				}
				q.stored += len(ids)
				return out.Tokens[0]
			}
			run(q.tokens)
			for range 5 {
				var was standing
				o.stand(q, &was)
				run(prompt(4, 9)) // a draft, of which two are right
				o.takeBack(q, &was)
				right := prompt(2, 9)
				q.tokens = append(q.tokens, right...)
				if got, want := run(right), simAnswer(o.pages.kinds, q.tokens, e.Model.Config.NVocab); got != want {
					t.Errorf("after a draft was taken back: %d, want %d", got, want)
				}
				o.stand(q, &was)
				q.tokens = append(q.tokens, prompt(3, 10)...)
				if got, want := run(prompt(3, 10)), simAnswer(o.pages.kinds, q.tokens, e.Model.Config.NVocab); got != want {
					t.Errorf("after a draft that was right: %d, want %d", got, want)
				}
				o.settle(&was)
			}
			var was standing
			o.stand(&sequence{}, &was) // from the very beginning
			o.settle(&was)
			o.release(q)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		empty(t, e)
	}
}

// dying is a context that ends when it has been asked often enough.
type dying struct {
	context.Context
	left int
}

func (d *dying) Err() error {
	if d.left--; d.left < 0 {
		return context.Canceled
	}
	return nil
}

// fading is a context that ends when it has been asked often enough, by whichever goroutine.
type fading struct {
	context.Context
	left atomic.Int64
}

func (f *fading) Err() error {
	if f.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// TestCancelledState: an answer that is cancelled midway leaves no state that did not come
// of its tokens: what goes on from them, drafts or not, says what it would say alone.
func TestCancelledState(t *testing.T) {
	ctx := context.Background()
	e := open(t, hybridFiles(t, t.TempDir(), 1)[0], Options{Device: "cpu", Context: 512, Parallel: 2, eager: true})
	p := make([]int32, 0, 45)
	for i := range 45 {
		p = append(p, int32(3+i%9))
	}
	ask := func(ctx context.Context, p []int32, share, draft int) (ids []int32, st Stats, err error) {
		st, err = e.Generate(ctx, Request{Tokens: p, Share: share, MaxTokens: 12, IgnoreEOS: true, Proof: true, Draft: draft}, nil, func(id int32) { ids = append(ids, id) })
		return ids, st, err
	}
	ids, _, err := ask(ctx, p, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cached := 0, 0
	step, few := int64(13), 10
	if testing.Short() {
		step, few = 91, 2
	}
	for left := int64(3); left < 900; left += step {
		f := &fading{Context: ctx}
		f.left.Store(left)
		got, st, err := ask(f, p, -1, int(left%3)*4)
		if !slices.Equal(got, ids[:len(got)]) {
			t.Fatalf("%v, want %v", got, ids)
		}
		if errors.Is(err, context.Canceled) || st.Stop == StopCancel {
			cancelled++
		}
		// What was said goes on.
		text := slices.Concat(p, got)
		_, want, err := ask(ctx, text, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, st, err = ask(ctx, text, -1, 0)
		if err != nil || st.Proof != want.Proof {
			t.Errorf("cancelled after %d looks and %d tokens: what follows is another, %d tokens cached; %v", left, len(got), st.CachedTokens, err)
		}
		cached += st.CachedTokens
	}
	t.Logf("%d answers were cancelled, %d tokens cached", cancelled, cached)
	if cancelled < few || cached == 0 {
		t.Errorf("%d answers were cancelled, %d tokens cached: the test saw too little", cancelled, cached)
	}
	empty(t, e)
}

// TestProbeAfterState: a probe's run that fails midway leaves a state as it was.
func TestProbeAfterState(t *testing.T) {
	ctx := context.Background()
	e := open(t, hybridFiles(t, t.TempDir(), 1)[0], Options{Device: "cpu", Context: 64})
	probe := func(left int) []float32 {
		p, err := e.NewProbe(ctx, ProbeOptions{Tokens: 4})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if left < 0 {
			if _, err := p.Run(&dying{ctx, 25}, []int32{7, 8}); !errors.Is(err, context.Canceled) {
				t.Errorf("a first run that was cancelled: %v", err)
			}
		}
		if _, err := p.Run(ctx, []int32{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		if left > 0 {
			if _, err := p.Run(&dying{ctx, left}, []int32{7, 8}); !errors.Is(err, context.Canceled) {
				t.Errorf("a run that was cancelled: %v", err)
			}
		}
		logits, err := p.Run(ctx, []int32{4})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(logits)
	}
	want := probe(0)
	for _, left := range []int{-1, 5, 25, 40} {
		if !slices.Equal(probe(left), want) {
			t.Errorf("cancelled after %d steps: the next run gives other logits", left)
		}
	}
	empty(t, e)
}
