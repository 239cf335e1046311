package engine

import (
	"context"
	"math/rand/v2"
	"testing"

	"eclat/model"
)

// walkIdle counts the units of a pool that only the index holds, by looking at all.
func walkIdle(o *owner, pool int) (n int) {
	for k := o.index.oldest; k != nil; k = k.newer {
		if u := k.units[pool]; u >= 0 && o.pages.refs[pool][u] == 1 {
			n++
		}
	}
	return n
}

// TestIdle: the count of units that the index could give up is what a walk over it
// finds, whatever sequences come, share, give way, end, and get lost.
func TestIdle(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 640, Parallel: 4}, allPositions, someWindow, oneState)
	err := e.do(context.Background(), func() error {
		o, r := e.owner, rand.New(rand.NewPCG(1, 2))
		var all []*sequence
		most := make([]int, len(o.pages.kinds))
		checked := func(after string) bool {
			for pool, n := range o.pages.idle {
				if want := walkIdle(o, pool); n != want {
					t.Errorf("after %s: %d units of pool %d are idle, a walk finds %d", after, n, pool, want)
					return false
				}
				most[pool] = max(most[pool], n)
			}
			return true
		}
		did := func(what string, f func()) bool { f(); return checked(what) }
		for i := range 5000 {
			ok := true
			switch n := r.IntN(100); {
			case n < 20 && o.queue.n < 4:
				q := Request{Tokens: prompt(1+r.IntN(300), 1, uint64(r.IntN(4)), uint64(r.IntN(2))), MaxTokens: r.IntN(80), IgnoreEOS: true}
				q.Share, q.Caller = r.IntN(len(q.Tokens)+1), string(rune('a'+r.IntN(2)))
				if r.IntN(4) > 0 {
					q.Share = len(q.Tokens)
				}
				all = append(all, waiting(e, q))
			case n < 22 && len(o.active) > 0:
				ok = did("an end", func() { o.end(o.active[r.IntN(len(o.active))], StopCancel, nil) })
			case n < 24 && len(o.active) > 0:
				ok = did("giving way", func() { o.giveWay(o.active[r.IntN(len(o.active))], o.queue.pushFront) })
			case n < 25:
				ok = did("giving up", func() { o.index.giveUp(r.IntN(len(o.pages.kinds))) })
			case i%1000 == 999:
				ok = did("a loss", func() { o.lost(model.ErrLost) })
			default:
				ok = did("admission", o.admit) && did("a step", func() { o.step() })
			}
			if !ok {
				return nil
			}
			for _, q := range all {
				for len(q.stream.events) > 0 {
					<-q.stream.events
				}
			}
		}
		o.endAll(context.Canceled)
		checked("the end")
		for pool, n := range most {
			if n < min(4, o.pages.kinds[pool].Units-2) {
				t.Errorf("pool %d never had more than %d idle units", pool, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	empty(t, e)
}
