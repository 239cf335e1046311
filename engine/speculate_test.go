package engine

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"eclat/loader"
	"eclat/model"
	"eclat/model/sample"
)

// TestDraftsChangeNothing: with guesses, as many as there may be, an answer has the same
// tokens, chosen from the same logits, as without: greedy and drawn, penalised, alone and
// beside others, where a text repeats itself and where it does not.
func TestDraftsChangeNothing(t *testing.T) {
	long(t)
	devices := []string{"cpu"}
	t.Run("GPU", func(t *testing.T) { devices = append(devices, theGPU(t).ID) })
	for _, device := range devices {
		e := open(t, "../testdata/sotu-8m-q4_k_m.gguf", Options{Device: device, Context: 4096, Parallel: 6, eager: true})
		sentence := "The people of the United States have a right to know the truth of it. "
		repeating, other := e.Prompt(strings.Repeat(sentence, 4), false), e.Prompt("A dog, a cat and 17 of the 3 mice", false)
		drafted, accepted := 0, 0
		say := func(r Request) ([]int32, Stats) {
			s, err := e.Submit(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			ids, st, err := collect(s)
			if err != nil {
				t.Fatal(err)
			}
			return ids, st
		}
		var wg sync.WaitGroup
		for i, r := range []Request{
			{Tokens: repeating, MaxTokens: 40, Proof: true},
			{Tokens: repeating, MaxTokens: 41, IgnoreEOS: true},
			{Tokens: repeating, MaxTokens: 1},
			{Tokens: other, MaxTokens: 120, IgnoreEOS: true},
			{Tokens: repeating, MaxTokens: 60, Settings: sample.Settings{Params: sample.Params{Temp: 1.2, Seed: 5}}, IgnoreEOS: true, Proof: true},
			{Tokens: other, MaxTokens: 60, Settings: sample.Settings{Params: sample.Params{Temp: 0.3, TopK: 5, Seed: 9}}, IgnoreEOS: true},
			{Tokens: repeating, MaxTokens: 60, Settings: sample.Settings{Repeat: 1.05, LastN: 16}, Proof: true},
		} {
			want, st := say(r)
			if st.Drafted != 0 {
				t.Errorf("request %d: %d guesses, none were asked for", i, st.Drafted)
			}
			for _, n := range []int{1, 7, 1000} {
				r.Draft = n
				got, with := say(r)
				if !slices.Equal(got, want) || with.Proof != st.Proof || with.Stop != st.Stop {
					t.Errorf("%s, request %d, %d guesses at a time: %v %s %s, without %v %s %s", device, i, n, got, with.Proof, with.Stop, want, st.Proof, st.Stop)
				}
				drafted, accepted = drafted+with.Drafted, accepted+with.Accepted
			}
			wg.Go(func() {
				if got, with := say(r); !slices.Equal(got, want) || with.Proof != st.Proof {
					t.Errorf("%s, request %d, beside others: %v %s, alone %v %s", device, i, got, with.Proof, want, st.Proof)
				}
			})
		}
		wg.Wait()
		if accepted == 0 || drafted == accepted {
			t.Errorf("%s: of %d guesses %d were right: the test saw none, or none that was wrong", device, drafted, accepted)
		}
	}
}

// TestDraftsThroughStates: where a sequence has a state, a guess that is wrong is taken back:
// the tokens are those without, alone and beside others, and so are those of a next turn.
// With -short it is a family of each kind of state, the delta rule's, a scan's alone, with
// experts, and beside positions in one layer, with the request in which its model repeats
// itself: in most others nobody guesses.
func TestDraftsThroughStates(t *testing.T) {
	var gpu string
	if !testing.Short() {
		t.Run("GPU", func(t *testing.T) { gpu = theGPU(t).ID })
	}
	drafted, accepted := 0, 0
	files := hybridFiles(t, t.TempDir(), 1)
	guessing := map[string]int{"qwen35-1.gguf": 1, "granitehybrid-1.gguf": 0, "nemotron_h_moe-1.gguf": 1, "falcon-h1-1.gguf": 1} // which request
	if testing.Short() {
		files = slices.DeleteFunc(files, func(path string) bool { _, is := guessing[filepath.Base(path)]; return !is })
	}
	for i, path := range files {
		devices := []string{"cpu"}
		if gpu != "" && (i == 0 || strings.Contains(path, "moe")) { // a state of each kind; a software device takes its time
			devices = append(devices, gpu)
		}
		for _, device := range devices {
			e := open(t, path, Options{Device: device, Context: 2048, Parallel: 3, eager: true})
			some := func(n int, seed uint64) []int32 { // the small models repeat themselves behind what repeats itself
				r, p := rand.New(rand.NewPCG(seed, 7)), make([]int32, n)
				for i := range p {
					p[i] = r.Int32N(int32(e.Model.Config.NVocab))
				}
				return slices.Concat(p, p, p)
			}
			say := func(r Request) ([]int32, Stats) {
				s, err := e.Submit(context.Background(), r)
				if err != nil {
					t.Fatal(err)
				}
				ids, st, err := collect(s)
				if err != nil {
					t.Fatal(err)
				}
				return ids, st
			}
			var wg sync.WaitGroup
			for j, r := range []Request{
				{Tokens: some(15, 1), MaxTokens: 70, IgnoreEOS: true, Proof: true},
				{Tokens: some(11, 2), MaxTokens: 64, IgnoreEOS: true, Proof: true, Share: -1},
				{Tokens: some(32, 3), MaxTokens: 40, Settings: sample.Settings{Params: sample.Params{Temp: 0.8, TopK: 2, Seed: 5}}, IgnoreEOS: true, Proof: true, Share: -1},
			} {
				guesses := []int{1, 4, 1000}
				if testing.Short() && j != guessing[filepath.Base(path)] { // it runs beside
					guesses, r.MaxTokens = nil, r.MaxTokens/4
				}
				ids, want := say(r)
				next := r
				next.Tokens = slices.Concat(r.Tokens, ids, some(5, 4))
				next.Share = 0
				_, wantNext := say(next)
				for _, n := range guesses {
					r.Draft, next.Draft, next.Share = n, n, -1
					got, st := say(r)
					if !slices.Equal(got, ids) || st.Proof != want.Proof {
						t.Errorf("%s on %s, request %d, %d guesses at a time: %v, without %v", path, device, j, n, got, ids)
					}
					drafted, accepted = drafted+st.Drafted, accepted+st.Accepted
					if _, st := say(next); st.Proof != wantNext.Proof {
						t.Errorf("%s on %s, request %d, %d guesses at a time: the next turn is another, %d tokens cached", path, device, j, n, st.CachedTokens)
					}
				}
				wg.Go(func() {
					if got, st := say(r); !slices.Equal(got, ids) || st.Proof != want.Proof {
						t.Errorf("%s on %s, request %d, beside others: %v, alone %v", path, device, j, got, ids)
					}
				})
			}
			wg.Wait()
			empty(t, e)
		}
	}
	t.Logf("%d of %d guesses right", accepted, drafted)
	if drafted == accepted || accepted == 0 {
		t.Errorf("of %d guesses %d were right: the test saw none, or none that was wrong", drafted, accepted)
	}
}

// TestDraftsThroughStatesEnd: an answer that ends within a guess leaves a state that a next
// turn can go on from, and a run that fails leaves it as it was.
func TestDraftsThroughStatesEnd(t *testing.T) {
	small := simulate(t, &sim{}, Options{Context: 2048, Parallel: 2}, allPositions, oneState)
	for _, kinds := range [][]model.Memory{{oneState}, {allPositions, oneState}} {
		e := simulate(t, &sim{}, Options{Context: 2048, Parallel: 2, eager: true, DraftModel: small}, kinds...)
		text := prompt(40, 1)
		for n := range 40 { // the draft model is asked what the model would say without a state: all is wrong, or all right
			r := Request{Tokens: text, Share: -1, MaxTokens: n + 1, IgnoreEOS: true, Draft: 1 + n%MaxDraft}
			s, err := e.Submit(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			got, st, err := collect(s)
			if err != nil || !slices.Equal(got, say(e, text, n+1)) {
				t.Fatalf("turn %d: %v, want %v; %v", n, got, say(e, text, n+1), err)
			}
			if n > 5 && st.Drafted == 0 {
				t.Errorf("turn %d: nothing was drafted", n)
			}
			text = slices.Concat(text, got, prompt(3, uint64(n)))
		}
		empty(t, e)
	}
}

// TestDraftModel: what a smaller model guesses changes nothing either, with seeds too: the
// model itself, asked the same, guesses right. One of another vocabulary is refused.
func TestDraftModel(t *testing.T) {
	long(t)
	path := "../testdata/sotu-8m-q4_k_m.gguf"
	small := open(t, path, Options{Device: "cpu", Context: 256, Parallel: 1})
	e := open(t, path, Options{Device: "cpu", Context: 512, Parallel: 3, eager: true, DraftModel: small})
	p := e.Prompt("A dog, a cat and 17 of the 3 mice", false)
	var wg sync.WaitGroup
	for i, r := range []Request{
		{Tokens: p, MaxTokens: 50, IgnoreEOS: true, Proof: true},
		{Tokens: p, MaxTokens: 50, Settings: sample.Settings{Params: sample.Params{Temp: 1, Seed: 3}}, Proof: true},
		{Tokens: p, MaxTokens: 300, Settings: sample.Settings{Params: sample.Params{Temp: 0.7, Seed: 4}, Repeat: 1.1, LastN: 8}, IgnoreEOS: true, Proof: true}, // beyond small's context
	} {
		say := func(draft int) Stats {
			r := r
			r.Draft = draft
			st, err := e.Generate(context.Background(), r, nil, nil)
			if err != nil {
				t.Error(err)
			}
			return st
		}
		want := say(0)
		check := func(n int) {
			st := say(n)
			if st.Proof != want.Proof || st.Stop != want.Stop {
				t.Errorf("request %d, %d guesses at a time: %s, %s; without %s, %s", i, n, st.Proof, st.Stop, want.Proof, want.Stop)
			}
			if st.Drafted == 0 || st.Accepted*2 < st.Drafted { // those from the text are wrong now and then
				t.Errorf("request %d: %d of %d guesses were right", i, st.Accepted, st.Drafted)
			}
		}
		check(4)
		wg.Go(func() { check(MaxDraft) })
	}
	wg.Wait()
	f, err := loader.Open("../testdata/qwen3-small.gguf")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := Open(context.Background(), f, Options{Device: "cpu", DraftModel: small}); err == nil || !strings.Contains(err.Error(), "vocabulary") {
		t.Errorf("a draft model of another vocabulary: %v", err)
		if err == nil {
			e.Close()
		}
	}
}

// TestDraftsToTheEnd: guesses end where the context does.
func TestDraftsToTheEnd(t *testing.T) {
	e := open(t, "../testdata/sotu-8m-q4_k_m.gguf", Options{Device: "cpu", Context: 96, Parallel: 1, eager: true})
	p := e.Prompt(strings.Repeat(" of the people", 20), false)
	for _, n := range []int{0, MaxDraft} {
		st, err := e.Generate(context.Background(), Request{Tokens: p, MaxTokens: -1, IgnoreEOS: true, Draft: n}, nil, nil)
		if err != nil || st.Stop != StopContext || st.GeneratedTokens != 97-len(p) {
			t.Errorf("%d guesses at a time: %+v, %v", n, st, err)
		}
	}
}

// TestWorth: guesses are made as far as they pay by what was measured.
func TestWorth(t *testing.T) {
	var p pace
	if n, _ := p.worth(1, 1, MaxDraft, price{}); n != 0 {
		t.Errorf("%d guesses before anything was timed", n)
	}
	p.took(1, 10*time.Millisecond)
	p.took(16, 20*time.Millisecond)
	if n, gain := p.worth(0.95, 1, MaxDraft, price{}); n != MaxDraft || gain < 4 {
		t.Errorf("%d guesses, %.2f times as fast, of those that are nearly always right", n, gain)
	}
	if n, _ := p.worth(0.05, 1, MaxDraft, price{}); n != 0 {
		t.Errorf("%d guesses of those that are nearly always wrong", n)
	}
	for n := 2; n <= 64; n *= 2 {
		p.took(n, time.Duration(n)*11*time.Millisecond)
		p.took(n, time.Duration(n)*11*time.Millisecond)
	}
	for range 100 {
		p.took(16, 176*time.Millisecond)
	}
	if n, _ := p.worth(1, 1, MaxDraft, price{}); n != 0 {
		t.Errorf("%d guesses where many tokens take as long as one by one", n)
	}
}

// TestGuessGiven: an answer that is known is tried as it is given, and is the same one: where
// the guess is right, parts from it, says nothing or names tokens that there are not.
func TestGuessGiven(t *testing.T) {
	long(t)
	e := open(t, "../testdata/sotu-8m-q4_k_m.gguf", Options{Device: "cpu", Context: 512, Parallel: 1, eager: true})
	r := Request{Tokens: e.Prompt("The people of the", false), MaxTokens: 60, IgnoreEOS: true, Proof: true, Settings: sample.Settings{Params: sample.Params{Temp: 1.2, Seed: 5}}}
	say := func(r Request) (ids []int32, st Stats) {
		st, err := e.Generate(context.Background(), r, nil, func(id int32) { ids = append(ids, id) })
		if err != nil {
			t.Fatal(err)
		}
		return ids, st
	}
	want, plain := say(r)
	parts := slices.Clone(want)
	parts[20]++
	for name, c := range map[string]struct {
		guess []int32
		right int // of its tokens, at least so many are accepted
	}{
		"all of it":       {want, 55},
		"its beginning":   {want[:33], 30},
		"parts":           {parts, 18},
		"another":         {want[1:], 0},
		"no such tokens":  {append(slices.Clone(want[:16]), -7, 1<<30), 15},
		"not one of them": {[]int32{-1}, 0},
	} {
		r.Draft, r.Guess = MaxDraft, c.guess
		got, st := say(r)
		if !slices.Equal(got, want) || st.Proof != plain.Proof || st.Accepted < c.right {
			t.Errorf("%s: %v, %d accepted of %d; want %v, at least %d accepted", name, got, st.Accepted, st.Drafted, want, c.right)
		}
	}
}

func TestGuess(t *testing.T) {
	l := newLookup()
	tokens := []int32{1, 2, 3, 4, 5, 1, 2, 3}
	end, match := l.find(tokens)
	if end != 3 || match != 3 {
		t.Fatalf("end %d, match %d", end, match)
	}
	if got := guess(nil, tokens, end, 12); !slices.Equal(got, []int32{4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5}) {
		t.Errorf("guess %v", got)
	}
	if _, match := l.find(append(tokens, 9)); match != 0 {
		t.Errorf("match of %d, where nothing is the same", match)
	}
	if end, match := l.find([]int32{7}); end != 0 || match != 0 {
		t.Errorf("end %d, match %d of one token", end, match)
	}
}
