package admin

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"eclat/loader"
	"eclat/serve/core"
)

// often is how often a measurement's progress is told.
const often = 250 * time.Millisecond

// progress is how far a measurement is. It may be set from any goroutine.
type progress struct {
	done, of atomic.Int64
	text     atomic.Value // string
}

func (p *progress) set(done, of int64) {
	p.done.Store(done)
	p.of.Store(of)
}

func (p *progress) say(text string) { p.text.Store(text) }

// told is the progress as it is sent.
type told struct {
	Done int64  `json:"done"`
	Of   int64  `json:"of"`
	Text string `json:"text"`
}

func (p *progress) told() told {
	text, _ := p.text.Load().(string)
	return told{p.done.Load(), max(1, p.of.Load()), text}
}

// run runs a measurement, the only one at a time, and streams what it tells and how far it
// is. It ends when the client leaves. What is found wrong before anything was told is an
// answer of its own.
func (a *admin) run(x *core.Exchange, measure func(ctx context.Context, p *progress, tell func(v any)) error) error {
	select {
	case a.running <- struct{}{}:
	default:
		e := core.Errorf(http.StatusTooManyRequests, "a measurement runs already; one does at a time")
		e.RetryAfter = 5
		return e
	}
	ctx, cancel := context.WithCancel(x.Context())
	defer cancel()
	p := new(progress)
	p.say("Starting")
	events, ended := make(chan any), make(chan error, 1)
	go func() {
		ended <- loader.Guard(func() error { // a file that was cut short is an error, not the end of the server
			return measure(ctx, p, func(v any) {
				select {
				case events <- v:
				case <-ctx.Done():
				}
			})
		})
	}()
	tick := time.NewTicker(often)
	defer tick.Stop()
	var fault error // of sending
	send := func(v any) {
		if fault == nil {
			if fault = x.Stream().Data(v); fault != nil {
				cancel()
			}
		}
	}
	last := p.told()
	for {
		select {
		case v := <-events:
			send(v)
		case <-tick.C:
			if now := p.told(); now != last {
				send(map[string]told{"progress": now})
				last = now
			}
		case err := <-ended:
			<-a.running // who hears of the end may begin the next
			switch {
			case fault != nil:
				return context.Canceled // the client has left
			case err != nil:
				return err
			}
			return x.Stream().Text("[DONE]")
		}
	}
}
