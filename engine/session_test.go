package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/model"
)

const builtIn = "../testdata/sotu-8m-q4_k_m.gguf"

// generate runs one request on a new session and returns the tokens.
func generate(t *testing.T, e *Engine, prompt string, r Request) ([]int32, Stats) {
	t.Helper()
	s := e.NewSession()
	defer s.Close()
	var ids []int32
	r.Emit = func(id int32) { ids = append(ids, id) }
	st, err := s.Generate(context.Background(), e.Prompt(prompt, false), r)
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
	r := Request{Sampling: model.Sampling{Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: 7}, MaxTokens: 60, IgnoreEOS: true}
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
	e := open(t, builtIn, Options{})
	r.Seed = 8
	if got, _ := generate(t, e, "We", r); slices.Equal(got, want) {
		t.Error("another seed gave the same text")
	}
}

// TestPenaltyPath: with a penalty the engine samples on the host; a penalty too
// small to matter must give the same text as none.
func TestPenaltyPath(t *testing.T) {
	e := open(t, builtIn, Options{})
	r := Request{MaxTokens: 40, IgnoreEOS: true}
	want, _ := generate(t, e, "The", r)
	r.Penalty = 1.0000001
	if got, _ := generate(t, e, "The", r); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	r.Penalty = 5
	got, _ := generate(t, e, "The", r)
	seen := map[int32]int{}
	for _, id := range got[:20] {
		if seen[id]++; seen[id] > 2 {
			t.Errorf("a penalty of 5 let token %d come %d times in %v", id, seen[id], got[:20])
		}
	}
}

func TestStops(t *testing.T) {
	e := open(t, builtIn, Options{Context: 40})
	if _, st := generate(t, e, "The", Request{MaxTokens: 5, IgnoreEOS: true}); st.Stop != StopLength || st.GeneratedTokens != 5 {
		t.Errorf("%+v, want 5 tokens and %q", st, StopLength)
	}
	// The last token needs no room of its own: 40 positions hold the prompt and all tokens but one.
	_, st := generate(t, e, "The", Request{IgnoreEOS: true})
	if st.Stop != StopContext || st.PromptTokens+st.GeneratedTokens != 41 {
		t.Errorf("%+v, want %q after 41 tokens in all", st, StopContext)
	}
	if free := len(e.pool.free); free != e.pool.size {
		t.Errorf("%d of %d pages free after all sessions closed", free, e.pool.size)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := e.NewSession()
	defer s.Close()
	st, err := s.Generate(ctx, e.Prompt("The", false), Request{IgnoreEOS: true, Emit: func(int32) { cancel() }})
	if err != nil || st.Stop != StopCancel || st.GeneratedTokens != 1 {
		t.Errorf("%+v, %v; want one token and %q", st, err, StopCancel)
	}
}

func TestPromptTooLong(t *testing.T) {
	e := open(t, builtIn, Options{Context: 40})
	s := e.NewSession()
	defer s.Close()
	ids := e.Prompt(strings.Repeat("word ", 100), false)
	_, err := s.Generate(context.Background(), ids, Request{})
	var ce *ContextError
	if !errors.As(err, &ce) || ce.Prompt != len(ids) || ce.Context != 40 {
		t.Fatalf("error %v, want a ContextError of %d and 40", err, len(ids))
	}
	if err := s.Score(context.Background(), ids, 1, nil); !errors.As(err, &ce) {
		t.Errorf("Score: %v, want a ContextError", err)
	}
	// A prompt of just the context's length fits.
	if st, err := s.Generate(context.Background(), ids[:40], Request{IgnoreEOS: true}); err != nil || st.GeneratedTokens != 1 {
		t.Errorf("a prompt of 40: %+v, %v; want one token", st, err)
	}
}

// TestContinue: a second prompt on a session goes on where the first ended, as if
// both had come at once.
func TestContinue(t *testing.T) {
	e := open(t, builtIn, Options{})
	ids := e.Prompt("The people of the United States have reason to be proud of their government.", false)
	run := func(parts ...[]int32) (out []int32) {
		s := e.NewSession()
		defer s.Close()
		for _, p := range parts {
			out = nil
			// One token is chosen after each part; only the last part's matter here.
			if err := s.Score(context.Background(), p[:len(p)-1], 0, func(Row) error { return nil }); err != nil {
				t.Fatal(err)
			}
			r := Request{MaxTokens: 1, IgnoreEOS: true}
			if len(parts) > 0 && &p[0] == &parts[len(parts)-1][0] {
				r.MaxTokens = 20
			}
			s.tokens = append(s.tokens, p[len(p)-1])
			r.Emit = func(id int32) { out = append(out, id) }
			if _, err := s.Generate(context.Background(), nil, r); err != nil {
				t.Fatal(err)
			}
			if r.MaxTokens == 1 { // forget the chosen token again
				s.tokens = s.tokens[:s.stored]
			}
		}
		return out
	}
	if a, b := run(ids), run(ids[:7], ids[7:]); !slices.Equal(a, b) {
		t.Errorf("at once %v, in two parts %v", a, b)
	}
}

func TestScoreRefusesUnknownTokens(t *testing.T) {
	e := open(t, builtIn, Options{})
	s := e.NewSession()
	defer s.Close()
	for _, ids := range [][]int32{{1, -1}, {1, 4096}} {
		if err := s.Score(context.Background(), ids, 1, func(Row) error { return nil }); err == nil {
			t.Errorf("ids %v were accepted", ids)
		}
	}
}

func TestUnknownDevice(t *testing.T) {
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(f, Options{Device: "abacus"}); !errors.Is(err, ErrDevice) {
		t.Errorf("error %v, want %v", err, ErrDevice)
	}
}

// TestTokenAllocatesNothing: after the first tokens a step of generation is free
// of allocation, on every way of choosing.
func TestTokenAllocatesNothing(t *testing.T) {
	e := open(t, builtIn, Options{Context: 512})
	for name, r := range map[string]*Request{
		"greedy":   {},
		"sampled":  {Sampling: model.Sampling{Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}},
		"penalty":  {Penalty: 1.1, Sampling: model.Sampling{Temp: 0.8, TopK: 40}},
		"no top-k": {Sampling: model.Sampling{Temp: 0.8, TopP: 0.95}},
	} {
		s := e.NewSession()
		s.tokens = make([]int32, 1, 512)
		s.table = make([]int32, 0, 16)
		step := func() {
			id, err := s.step(1, true, r)
			if err != nil {
				t.Fatal(err)
			}
			s.tokens = append(s.tokens, id)
		}
		for range 5 {
			step()
		}
		if n := testing.AllocsPerRun(50, step); n != 0 {
			t.Errorf("%s: %v allocations a token", name, n)
		}
		s.Close()
	}
}
