package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/model/sample"
)

const builtIn = "../testdata/sotu-8m-q4_k_m.gguf"

// generate runs one request and returns the tokens.
func generate(t testing.TB, e *Engine, prompt string, r Request) ([]int32, Stats) {
	t.Helper()
	var ids []int32
	r.Tokens = e.Prompt(prompt, false)
	st, err := e.Generate(context.Background(), r, nil, func(id int32) { ids = append(ids, id) })
	if err != nil {
		t.Fatal(err)
	}
	if st.GeneratedTokens != len(ids) {
		t.Errorf("stats say %d tokens, %d came", st.GeneratedTokens, len(ids))
	}
	return ids, st
}

// TestGreedyAgrees: the threaded backend writes the reference's text.
func TestGreedyAgrees(t *testing.T) {
	long(t)
	r := Request{MaxTokens: 100, IgnoreEOS: true}
	want, _ := generate(t, open(t, builtIn, Options{Device: "ref"}), "The Congress", r)
	got, _ := generate(t, open(t, builtIn, Options{Device: "cpu"}), "The Congress", r)
	if !slices.Equal(got, want) {
		t.Errorf("cpu: %v\nref: %v", got, want)
	}
}

// TestSameSeedSameText: seed and position are the only randomness, whatever the
// number of threads.
func TestSameSeedSameText(t *testing.T) {
	long(t)
	r := Request{Settings: sample.Settings{Params: sample.Params{Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: 7}}, MaxTokens: 60, IgnoreEOS: true}
	var want []int32
	for _, threads := range []int{1, 2, 5} {
		got, _ := generate(t, open(t, builtIn, Options{Device: "cpu", Threads: threads}), "We", r)
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d threads: %v, one thread %v", threads, got, want)
		}
	}
	r.Seed = 8
	if got, _ := generate(t, open(t, builtIn, Options{Device: "cpu"}), "We", r); slices.Equal(got, want) {
		t.Error("another seed gave the same text")
	}
}

// TestPenaltyPath: with a penalty the engine samples on the host; a penalty too
// small to matter, or on no tokens, must give the same text as none.
func TestPenaltyPath(t *testing.T) {
	long(t)
	e := open(t, builtIn, Options{Device: "cpu"})
	r := Request{MaxTokens: 40, IgnoreEOS: true}
	r.LastN = 64
	want, _ := generate(t, e, "The", r)
	r.Repeat = 1.0000001
	if got, _ := generate(t, e, "The", r); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	r.Repeat, r.LastN = 5, 0
	if got, _ := generate(t, e, "The", r); !slices.Equal(got, want) {
		t.Errorf("a penalty on the last 0 tokens: got %v, want %v", got, want)
	}
	for _, n := range []int32{-1, 64} {
		r.LastN = n
		got, _ := generate(t, e, "The", r)
		seen := map[int32]int{}
		for _, id := range got[:20] {
			if seen[id]++; seen[id] > 2 {
				t.Errorf("a penalty of 5 let token %d come %d times in %v", id, seen[id], got[:20])
			}
		}
	}
}

func TestStops(t *testing.T) {
	e := open(t, builtIn, Options{Device: "cpu", Context: 40})
	if got, st := generate(t, e, "The", Request{IgnoreEOS: true}); st.Stop != StopLength || len(got) != 0 {
		t.Errorf("%+v, want no tokens and %q", st, StopLength)
	}
	if _, st := generate(t, e, "The", Request{MaxTokens: 5, IgnoreEOS: true}); st.Stop != StopLength || st.GeneratedTokens != 5 {
		t.Errorf("%+v, want 5 tokens and %q", st, StopLength)
	}
	// The last token needs no room of its own: 40 positions hold the prompt and all tokens but one.
	_, st := generate(t, e, "The", Request{MaxTokens: -1, IgnoreEOS: true})
	if st.Stop != StopContext || st.PromptTokens+st.GeneratedTokens != 41 {
		t.Errorf("%+v, want %q after 41 tokens in all", st, StopContext)
	}
	empty(t, e)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := e.Submit(ctx, Request{Tokens: e.Prompt("The", false), MaxTokens: -1, IgnoreEOS: true})
	if err != nil {
		t.Fatal(err)
	}
	for ev, ok := s.Next(); ok; ev, ok = s.Next() {
		if ev.ID >= 0 {
			cancel()
		}
	}
	if st, err := s.Result(); err != nil || st.Stop != StopCancel && st.Stop != StopContext {
		t.Errorf("%+v, %v; want %q", st, err, StopCancel)
	}
}

func TestPromptTooLong(t *testing.T) {
	e := open(t, builtIn, Options{Device: "cpu", Context: 40})
	ids := e.Prompt(strings.Repeat("word ", 100), false)
	_, err := e.Submit(context.Background(), Request{Tokens: ids})
	var ce *ContextError
	if !errors.As(err, &ce) || ce.Prompt != len(ids) || ce.Context != 40 {
		t.Fatalf("error %v, want a ContextError of %d and 40", err, len(ids))
	}
	if err := e.Score(context.Background(), ids, ScoreOptions{Top: 1}, nil); !errors.As(err, &ce) {
		t.Errorf("Score: %v, want a ContextError", err)
	}
	// A prompt of just the context's length fits.
	st, err := e.Generate(context.Background(), Request{Tokens: ids[:40], MaxTokens: -1, IgnoreEOS: true}, nil, nil)
	if err != nil || st.GeneratedTokens != 1 {
		t.Errorf("a prompt of 40: %+v, %v; want one token", st, err)
	}
}

// TestContinue: a text that begins with an earlier one goes on from its pages, and
// says what it says without them.
func TestContinue(t *testing.T) {
	long(t)
	e := open(t, builtIn, Options{Device: "cpu"})
	ids := e.Prompt(strings.Repeat("The people of the United States have reason to be proud of their government. ", 6), false)
	run := func(n, share int) (out []int32, st Stats) {
		r := Request{Tokens: ids[:n], Share: share, MaxTokens: 20, IgnoreEOS: true}
		st, err := e.Generate(context.Background(), r, nil, func(id int32) { out = append(out, id) })
		if err != nil {
			t.Fatal(err)
		}
		return out, st
	}
	want, _ := run(len(ids), 0)
	run(70, -1)
	got, st := run(len(ids), -1)
	if !slices.Equal(got, want) || st.CachedTokens < 70 { // what was generated may go on alike
		t.Errorf("with %d shared tokens %v, without %v", st.CachedTokens, got, want)
	}
	if got, st := run(len(ids), 40); !slices.Equal(got, want) || st.CachedTokens != 32 {
		t.Errorf("with %d of 40 tokens shared %v, without %v", st.CachedTokens, got, want)
	}
}

func TestRefusesUnknownTokens(t *testing.T) {
	e := open(t, builtIn, Options{Device: "cpu"})
	for _, ids := range [][]int32{{1, -1}, {1, 4096}, {}} {
		if _, err := e.Submit(context.Background(), Request{Tokens: ids}); err == nil {
			t.Errorf("ids %v were accepted", ids)
		}
	}
}

func TestUnknownDevice(t *testing.T) {
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), f, Options{Device: "abacus"}); !errors.Is(err, ErrDevice) {
		t.Errorf("error %v, want %v", err, ErrDevice)
	}
}

// TestTokenAllocatesNothing: after the first tokens a step of generation is free
// of allocation, on every way of choosing.
func TestTokenAllocatesNothing(t *testing.T) {
	long(t)
	for name, r := range map[string]Request{
		"greedy":   {},
		"sampled":  {Settings: sample.Settings{Params: sample.Params{Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}}},
		"penalty":  {Settings: sample.Settings{Params: sample.Params{Temp: 0.8, TopK: 40}, Repeat: 1.1, LastN: 64}},
		"no top-k": {Settings: sample.Settings{Params: sample.Params{Temp: 0.8, TopP: 0.95}}},
		"proof":    {Proof: true},
		"all":      {Settings: everything()},
	} {
		e := open(t, builtIn, Options{Device: "cpu", Context: 512})
		r.Tokens, r.MaxTokens, r.IgnoreEOS = []int32{1}, -1, true
		ctx, cancel := context.WithCancel(context.Background())
		s, err := e.Submit(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		for range 70 { // the slices have grown by then
			s.Next()
		}
		if n := testing.AllocsPerRun(50, func() { s.Next() }); n != 0 {
			t.Errorf("%s: %v allocations a token", name, n)
		}
		cancel()
		collect(s)
	}
}

// TestBatchesAgree: real sequences of several lengths, together, say what each says
// alone. (The conformance suite holds ref to it too, with a smaller model.)
func TestBatchesAgree(t *testing.T) {
	long(t)
	for _, device := range []string{"cpu", "vulkan"} {
		t.Run(device, func(t *testing.T) {
			if device == "vulkan" {
				device = gpuName(t)
			}
			text := strings.Repeat("Fellow-citizens of the Senate and House of Representatives, ", 3)
			var want [][]int32
			alone := open(t, builtIn, Options{Device: device, Parallel: 1})
			const n = 7
			for i := range n {
				ids, _ := generate(t, alone, text[:1+i*23], Request{MaxTokens: 12, IgnoreEOS: true})
				want = append(want, ids)
			}
			e := open(t, builtIn, Options{Device: device, Parallel: n})
			var streams []*Stream
			for i := range n {
				s, err := e.Submit(context.Background(), Request{Tokens: e.Prompt(text[:1+i*23], false), MaxTokens: 12, IgnoreEOS: true, Share: -1})
				if err != nil {
					t.Fatal(err)
				}
				streams = append(streams, s)
			}
			for i, s := range streams {
				if got, _, err := collect(s); err != nil || !slices.Equal(got, want[i]) {
					t.Errorf("sequence %d: %v, alone %v; %v", i, got, want[i], err)
				}
			}
		})
	}
}
