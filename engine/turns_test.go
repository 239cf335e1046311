package engine

import (
	"context"
	"slices"
	"testing"

	"eclat/model"
)

// TestTurns: of a conversation's next turn only what is new is computed, whatever length
// the turns have, and it says what it would say alone. Somebody else's conversation is
// computed whole.
func TestTurns(t *testing.T) {
	for name, kinds := range map[string][]model.Memory{
		"positions": {allPositions}, "both": {someWindow, allPositions}, "states": {allPositions, oneState},
	} {
		t.Run(name, func(t *testing.T) {
			e := simulate(t, &sim{}, Options{Parallel: 2, Context: 1024}, kinds...)
			count := func() int {
				c, err := e.Counters(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				return c.Computed
			}
			turn := func(caller string, p []int32, n int) []int32 {
				s, err := e.Submit(context.Background(), Request{Tokens: p, Caller: caller, Share: -1, MaxTokens: n, IgnoreEOS: true})
				if err != nil {
					t.Fatal(err)
				}
				ids, _, err := collect(s)
				if err != nil || !slices.Equal(ids, say(e, p, n)) {
					t.Fatalf("%d tokens, %d more: %v, want %v; %v", len(p), n, ids, say(e, p, n), err)
				}
				return slices.Concat(p, ids)
			}
			var text []int32
			run := 0 // tokens of text that have been computed
			for i, n := range []int{5, 27, 1, 31, 32, 33, 64, 3, 90, 2} {
				text = append(text, prompt(n, uint64(i), 7)...)
				before := count()
				whole := turn("a", text, 1+i*5)
				if got, want := count()-before, len(whole)-1-run; got != want {
					t.Errorf("turn %d of %d tokens, %d of them new: %d were computed", i, len(whole)-1, want, got)
				}
				text, run = whole, len(whole)-1
			}
			before := count()
			turn("b", text[:200], 1)
			if got := count() - before; got != 200 {
				t.Errorf("%d tokens were computed of another's 200", got)
			}
			// Two go on from the same place at once, and differently.
			left, right := append(slices.Clone(text), 3, 4), append(slices.Clone(text), 5)
			done := make(chan bool)
			go func() { turn("a", left, 9); close(done) }()
			turn("a", right, 9)
			<-done
		})
	}
}
