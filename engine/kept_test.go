package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"eclat/model"
)

// keepAll takes all pages that an engine has to keep.
func keepAll(t *testing.T, e *Engine) (all []*KeptPage) {
	t.Helper()
	for {
		p, err := e.NextToKeep(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if p == nil {
			return all
		}
		all = append(all, p)
	}
}

// TestKept: what is put back into another engine is found there as far as in the one that
// computed it, by the same caller alone, and what follows is the same; whatever memory a
// model has.
func TestKept(t *testing.T) {
	ctx := context.Background()
	for name, kinds := range map[string][]model.Memory{
		"positions": {allPositions}, "window": {someWindow}, "both": {someWindow, allPositions}, "states": {allPositions, oneState}, "state": {oneState},
	} {
		t.Run(name, func(t *testing.T) {
			e, other := simulate(t, &sim{}, Options{Context: 4096, Parallel: 32}, kinds...), simulate(t, &sim{}, Options{Context: 4096, Parallel: 32}, kinds...)
			ask := func(e *Engine, caller string, p []int32) (Stats, []int32) {
				s, err := e.Submit(ctx, Request{Tokens: p, Caller: caller, Share: -1, MaxTokens: 9, IgnoreEOS: true})
				if err != nil {
					t.Fatal(err)
				}
				ids, st, err := collect(s)
				if err != nil || !slices.Equal(ids, say(e, p, 9)) {
					t.Errorf("%v, %v", ids, err)
				}
				return st, ids
			}
			var texts [][]int32
			for i := range 3 { // callers, whose prompts begin alike
				p := append(prompt(70, 1), prompt(20+i, 2, uint64(i))...)
				for range 3 { // turns
					_, ids := ask(e, fmt.Sprint("caller ", i), p)
					p = append(append(p, ids...), prompt(17, 3)...)
				}
				texts = append(texts, p)
			}
			pages := keepAll(t, e)
			if len(pages) < 3*4 {
				t.Fatalf("%d pages", len(pages))
			}
			for _, p := range slices.Backward(pages) { // the most recent first, each after the one before it
				put(t, other, pages, p)
			}
			if c, _ := other.Counters(ctx); c.Units == 0 || c.Computed != 0 {
				t.Errorf("%+v", c)
			}
			for i, p := range texts {
				caller := fmt.Sprint("caller ", i)
				want, _ := ask(e, caller, p)
				if got, _ := ask(other, caller, p); got.CachedTokens != want.CachedTokens || want.CachedTokens < 70 {
					t.Errorf("%s: %d tokens found, of %d the first engine found %d", caller, got.CachedTokens, len(p), want.CachedTokens)
				}
			}
			if st, _ := ask(other, "a stranger", texts[0]); st.CachedTokens > 0 {
				t.Errorf("a stranger found %d tokens", st.CachedTokens)
			}
			empty(t, other)
		})
	}
}

// put puts a page back, after those before it.
func put(t *testing.T, e *Engine, all []*KeptPage, p *KeptPage) {
	t.Helper()
	if i := slices.IndexFunc(all, func(b *KeptPage) bool { return b.Name == p.Before }); i >= 0 {
		put(t, e, all, all[i])
	}
	if err := e.PutBack(context.Background(), p); err != nil {
		t.Fatal(err)
	}
}

// TestKeptMore: a snapshot that is made later is given again with its page, and nothing
// twice.
func TestKeptMore(t *testing.T) {
	ctx := context.Background()
	e := simulate(t, &sim{}, Options{Context: 1024}, allPositions, oneState)
	ask := func(p []int32) {
		if _, err := e.Generate(ctx, Request{Tokens: p, Share: -1, MaxTokens: 0}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	p := prompt(200, 1)
	ask(p)
	first := keepAll(t, e)
	if again := keepAll(t, e); len(again) > 0 {
		t.Errorf("%d pages are given again", len(again))
	}
	ask(append(slices.Clone(p[:100]), prompt(100, 2)...)) // branches off after 96
	ask(append(slices.Clone(p[:100]), prompt(100, 3)...)) // and finds the snapshot there
	has := func(all []*KeptPage, state bool) bool {
		return slices.ContainsFunc(all, func(k *KeptPage) bool { return k.Name == first[2].Name && (k.Units[1] != nil) == state })
	}
	if more := keepAll(t, e); !has(first, false) || !has(more, true) {
		t.Errorf("the page before the branch is not given again with its snapshot")
	}
}

// TestPutBackRefuses: what is no page of this engine is refused by what is wrong with it,
// and leaves nothing behind; where memory is full nothing is given up.
func TestPutBackRefuses(t *testing.T) {
	ctx := context.Background()
	e := simulate(t, &sim{}, Options{Context: 1024}, allPositions, someWindow)
	if _, err := e.Generate(ctx, Request{Tokens: prompt(100, 1), Caller: "x", Share: -1, MaxTokens: 0}, nil, nil); err != nil {
		t.Fatal(err)
	}
	pages := keepAll(t, e)
	fresh := simulate(t, &sim{}, Options{Context: 256}, allPositions, someWindow)
	for name, c := range map[string]struct {
		page   int
		change func(p *KeptPage)
		want   error
	}{
		"another caller":     {0, func(p *KeptPage) { p.Caller = "y" }, ErrDamaged},
		"another token":      {0, func(p *KeptPage) { p.Tokens = slices.Clone(p.Tokens); p.Tokens[3]++ }, ErrDamaged},
		"no tokens":          {0, func(p *KeptPage) { p.Tokens = nil }, ErrDamaged},
		"too many tokens":    {0, func(p *KeptPage) { p.Tokens = append(slices.Clone(p.Tokens), 1) }, ErrDamaged},
		"no such token":      {0, func(p *KeptPage) { p.Tokens = slices.Clone(p.Tokens); p.Tokens[0] = 1 << 30 }, ErrDamaged},
		"a negative token":   {0, func(p *KeptPage) { p.Tokens = slices.Clone(p.Tokens); p.Tokens[31] = -1 }, ErrDamaged},
		"another name":       {0, func(p *KeptPage) { p.Name = pages[1].Name }, ErrDamaged},
		"none before it":     {1, func(p *KeptPage) {}, ErrForeign},
		"too few pools":      {0, func(p *KeptPage) { p.Units = p.Units[:1] }, ErrForeign},
		"a unit that is cut": {0, func(p *KeptPage) { p.Units = [][]byte{p.Units[0][1:], nil} }, ErrForeign},
	} {
		p := *pages[c.page]
		c.change(&p)
		if err := fresh.PutBack(ctx, &p); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if n, _ := fresh.Counters(ctx); n.Units != 0 {
			t.Errorf("%s: %d units are held", name, n.Units)
		}
	}
	if _, err := fresh.Generate(ctx, Request{Tokens: prompt(240, 2), Caller: "x", Share: -1, MaxTokens: 0}, nil, nil); err != nil {
		t.Fatal(err)
	}
	before := keepAll(t, fresh)
	if err := fresh.PutBack(ctx, pages[0]); !errors.Is(err, ErrNoRoom) && err != nil {
		t.Error(err)
	}
	var full error
	for _, p := range pages {
		full = errors.Join(full, fresh.PutBack(ctx, p))
	}
	if !errors.Is(full, ErrNoRoom) {
		t.Errorf("memory is full: %v", full)
	}
	names, _ := fresh.Kept(ctx)
	for _, p := range before {
		if !slices.Contains(names, p.Name) {
			t.Error("a page was given up")
		}
	}
	p := *pages[0]
	p.Units = [][]byte{bytes.Clone(p.Units[0]), nil}
	if err := e.PutBack(ctx, &p); err != nil {
		t.Errorf("a page that is there already: %v", err)
	}
}
