package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// gauge is how far some work is, set by whoever does it and shown by a goroutine
// of its own: work whose steps take minutes still shows a bar, and what is being
// timed does no drawing.
type gauge struct {
	done, total atomic.Int64
	label       atomic.Pointer[string]
}

func (g *gauge) set(done, total int64) {
	g.done.Store(done)
	g.total.Store(total)
}

// say changes the bar's label.
func (g *gauge) say(label string) { g.label.Store(&label) }

// watch shows the gauge on a bar until stop is called, which takes the bar away.
func (g *gauge) watch(b *bar) (stop func()) {
	end := make(chan struct{})
	var gone sync.WaitGroup
	gone.Go(func() {
		defer b.clear()
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			if l := g.label.Load(); l != nil && *l != b.label {
				if b.label = *l; b.bar != nil {
					b.bar.Describe(b.label)
				}
			}
			if total := g.total.Load(); total > 0 {
				b.set(min(g.done.Load(), total-1), total)
			}
		}
	})
	return sync.OnceFunc(func() { close(end); gone.Wait() })
}
