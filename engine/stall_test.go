package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"eclat/model"
)

// TestNoStall: while long prompts are read and texts are embedded, a running answer gets its
// next token with the next step, or where texts are embedded with the one after it. Steps are
// counted, not time.
func TestNoStall(t *testing.T) {
	for _, embeds := range []bool{false, true} {
		var runs, worst atomic.Int64
		s := &sim{fault: func(call string) error {
			if call == "run" {
				runs.Add(1)
			}
			return nil
		}}
		e := simulate(t, s, Options{Context: 16384, Embeddings: true}, allPositions)
		ctx := context.Background()
		var all sync.WaitGroup
		begun, beside := make(chan bool, 4), make(chan bool)
		for i := range 4 {
			last, n := int64(0), 0
			// So few tokens that the stream holds them: no reader is waited for.
			q, err := e.Submit(ctx, Request{Tokens: prompt(5, 9, uint64(i)), MaxTokens: streamEvents - 4, IgnoreEOS: true, Until: func(int32) bool {
				now := runs.Load()
				if n++; n == 1 {
					begun <- true
					<-beside // the prompts wait to be read
				} else {
					worst.Store(max(worst.Load(), now-last))
				}
				last = now
				return false
			}})
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				for range q.events {
				}
			})
		}
		<-begun
		for i := range 4 {
			long, err := e.Submit(ctx, Request{Tokens: prompt(2500, uint64(i)), MaxTokens: 1, IgnoreEOS: true})
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() { collect(long) })
			if !embeds {
				continue
			}
			text, err := e.Submit(ctx, Request{Tokens: prompt(300, uint64(i)), Embed: model.MeanPooling})
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() { collect(text) })
		}
		close(beside)
		all.Wait()
		most := int64(1)
		if embeds {
			most = 2
		}
		if got := worst.Load(); got != most {
			t.Errorf("texts embedded %v: %d steps from a token to the next, want %d", embeds, got, most)
		}
		if n := runs.Load(); n < 4*2500/int64(e.Chunk) {
			t.Errorf("only %d steps: the test tests nothing", n)
		}
	}
}
