package out

import (
	"sync"
	"sync/atomic"
	"time"
)

// Gauge is how far some work is, set by whoever does it and shown by a goroutine
// of its own: work whose steps take minutes still shows a bar, and what is being
// timed does no drawing.
type Gauge struct {
	Done, Total atomic.Int64
	label       atomic.Pointer[string]
}

// Set tells how far the work is. It may be called from any goroutine.
func (g *Gauge) Set(done, total int64) {
	g.Done.Store(done)
	g.Total.Store(total)
}

// Say changes the bar's label.
func (g *Gauge) Say(label string) { g.label.Store(&label) }

// Watch shows the gauge on a bar until stop is called, which takes the bar away.
func (g *Gauge) Watch(b *Bar) (stop func()) {
	end := make(chan struct{})
	var gone sync.WaitGroup
	gone.Go(func() {
		defer b.Clear()
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			if l := g.label.Load(); l != nil && *l != b.label {
				b.describe(*l)
			}
			if total := g.Total.Load(); total > 0 {
				b.Set(min(g.Done.Load(), total-1), total)
			}
		}
	})
	return sync.OnceFunc(func() { close(end); gone.Wait() })
}
