package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/model"
	"eclat/model/sample"
)

// TestSessions: what is saved on one device goes on on another, in another process so to
// speak, with the bits that it would have had; only what is new is computed.
func TestSessions(t *testing.T) {
	long(t)
	ctx, path := context.Background(), "../testdata/sotu-8m-q4_k_m.gguf"
	options := []Options{{Device: "cpu"}, {Device: "ref"}}
	t.Run("GPU", func(t *testing.T) {
		id := theGPU(t).ID
		options = append(options, Options{Device: id}, Options{Device: id, GPULayers: "2"})
	})
	first := open(t, path, Options{Device: "cpu", Context: 512})
	for _, n := range []int{3, 31, 32, 33, 100} {
		p := first.Prompt(strings.Repeat("The people of the United States know it. ", 30), false)[:n]
		ask := Request{Tokens: p, Share: -1, Settings: sample.Settings{Params: sample.Params{Temp: 0.9, Seed: 2}}, MaxTokens: 20, IgnoreEOS: true}
		var ids []int32
		if _, err := first.Generate(ctx, ask, nil, func(id int32) { ids = append(ids, id) }); err != nil {
			t.Fatal(err)
		}
		text := append(slices.Clone(p), ids...)
		var file bytes.Buffer
		s := &Session{Tokens: text, Template: "plain", Note: json.RawMessage(`{"a":[1,"x"]}`)}
		if got, err := first.Save(ctx, &file, "", s); err != nil || got != len(text)-1 {
			t.Fatalf("%d of %d tokens were saved with their memory, %v", got, len(text), err)
		}
		on := func(e *Engine) Stats {
			st, err := e.Generate(ctx, Request{Tokens: append(slices.Clone(text), 5, 6, 7), Share: -1, Settings: ask.Settings, MaxTokens: 12, IgnoreEOS: true, Proof: true}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			return st
		}
		want := on(first)
		for _, o := range options {
			o.Context = 512
			e := open(t, path, o)
			back, err := e.Restore(ctx, bytes.NewReader(file.Bytes()), "", "plain")
			if err != nil || !slices.Equal(back.Tokens, text) || back.Computed != len(text)-1 || string(back.Note) != string(s.Note) {
				t.Fatalf("%s: %+v, %v", o.Device, back, err)
			}
			st := on(e)
			if st.Proof != want.Proof || st.CachedTokens != len(text)-1 {
				t.Errorf("%s %s: %s, %d tokens found; on the first machine %s, %d", o.Device, o.GPULayers, st.Proof, st.CachedTokens, want.Proof, len(text)-1)
			}
		}
	}
}

// TestSessionsOfMemory: whatever memory a model has.
func TestSessionsOfMemory(t *testing.T) {
	ctx := context.Background()
	for name, kinds := range map[string][]model.Memory{
		"positions": {allPositions}, "window": {someWindow}, "both": {someWindow, allPositions}, "states": {allPositions, oneState},
	} {
		for _, n := range []int{1, 20, 32, 45, 64, 200} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				e, other := simulate(t, &sim{}, Options{Context: 512}, kinds...), simulate(t, &sim{}, Options{Context: 512}, kinds...)
				p := prompt(n, 1, 1)
				ask := func(e *Engine, p []int32, n int) []int32 {
					s, err := e.Submit(ctx, Request{Tokens: p, Share: -1, MaxTokens: n, IgnoreEOS: true})
					if err != nil {
						t.Fatal(err)
					}
					ids, _, err := collect(s)
					if err != nil {
						t.Fatal(err)
					}
					return append(slices.Clone(p), ids...)
				}
				text := ask(e, p, 9)
				var file bytes.Buffer
				kept, err := e.Save(ctx, &file, "", &Session{Tokens: text})
				if err != nil {
					t.Fatal(err)
				}
				if kept != len(text)-1 {
					t.Errorf("%d of %d tokens have their memory in the file", kept, len(text))
				}
				if s, err := other.Restore(ctx, &file, "", ""); err != nil || s.Computed != kept {
					t.Fatalf("%+v, %v", s, err)
				}
				if got, want := ask(other, text, 30), append(slices.Clone(text), say(e, text, 30)...); !slices.Equal(got, want) {
					t.Errorf("%v, want %v", got, want)
				}
			})
		}
	}
}

// TestSessionsOfStates: models with recurrent layers go on with the same bits too, however
// their keys and values are kept, with drafts and without.
func TestSessionsOfStates(t *testing.T) {
	ctx := context.Background()
	paths := hybridFiles(t, t.TempDir(), 1)
	if testing.Short() {
		paths = paths[:2]
	}
	fewer := 0
	for _, path := range paths {
		for _, kept := range []string{"f16", "q8_0"} {
			cache, err := model.ParseCacheType(kept)
			if err != nil {
				t.Fatal(err)
			}
			o := Options{Device: "cpu", Context: 512, Parallel: 2, Keys: cache, Values: cache, eager: true}
			if kept != "f16" {
				f, err := loader.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				e, err := Open(ctx, f, o)
				if bad := (*model.CacheTypeError)(nil); errors.As(err, &bad) {
					continue // its heads are no whole blocks
				} else if err != nil {
					t.Fatal(err)
				}
				e.Close()
				fewer++
			}
			first, second := open(t, path, o), open(t, path, o)
			p := make([]int32, 0, 50)
			for i := range 50 {
				p = append(p, int32(2+i%7))
			}
			var ids []int32
			if _, err := first.Generate(ctx, Request{Tokens: p, Share: -1, MaxTokens: 30, IgnoreEOS: true, Draft: MaxDraft}, nil, func(id int32) { ids = append(ids, id) }); err != nil {
				t.Fatal(err)
			}
			text := slices.Concat(p, ids)
			var file bytes.Buffer
			n, err := first.Save(ctx, &file, "", &Session{Tokens: text})
			if err != nil || n == 0 {
				t.Fatalf("%s, %s: %d tokens saved, %v", path, kept, n, err)
			}
			if s, err := second.Restore(ctx, &file, "", ""); err != nil || s.Computed != n {
				t.Fatalf("%s, %s: %+v, %v", path, kept, s, err)
			}
			on := func(e *Engine, share, draft int) Stats {
				st, err := e.Generate(ctx, Request{Tokens: append(slices.Clone(text), 5, 6, 7), Share: share, MaxTokens: 24, IgnoreEOS: true, Proof: true, Draft: draft}, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				return st
			}
			want := on(first, 0, 0)
			if st := on(second, -1, 0); st.Proof != want.Proof || st.CachedTokens != n {
				t.Errorf("%s, %s: %s, %d tokens found; in one go %s, %d", path, kept, st.Proof, st.CachedTokens, want.Proof, n)
			}
			if st := on(second, -1, MaxDraft); st.Proof != want.Proof {
				t.Errorf("%s, %s: with drafts %s, in one go %s", path, kept, st.Proof, want.Proof)
			}
		}
	}
	if fewer == 0 {
		t.Error("no model kept its memory in fewer bits")
	}
}

// TestHostileSessions: a session that was cut, changed, or is another's is refused by what
// is wrong with it, and leaves nothing behind.
func TestHostileSessions(t *testing.T) {
	ctx := context.Background()
	e := simulate(t, &sim{}, Options{Context: 256}, allPositions, someWindow)
	p := prompt(70, 1, 1)
	if _, err := e.Generate(ctx, Request{Tokens: p, Share: -1, MaxTokens: 5, IgnoreEOS: true}, nil, nil); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := e.Save(ctx, &file, "", &Session{Tokens: p, Template: "x", Note: json.RawMessage(`"n"`)}); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	fresh := simulate(t, &sim{}, Options{Context: 256}, allPositions, someWindow)
	try := func(data []byte, template string) (*Session, error) {
		s, err := fresh.Restore(ctx, bytes.NewReader(data), "", template)
		if err != nil {
			if c, _ := fresh.Counters(ctx); c.Units != 0 {
				t.Fatalf("%d units are held after %v", c.Units, err)
			}
		}
		return s, err
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		data := slices.Clone(whole)
		if r.IntN(2) == 0 {
			data = data[:r.IntN(len(data))]
		} else {
			at := r.IntN(min(len(data), 2000))
			if r.IntN(3) == 0 {
				at = r.IntN(len(data))
			}
			data[at] ^= 1 << r.IntN(8)
		}
		if _, err := try(data, "x"); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
			t.Fatalf("a damaged session: %v", err)
		}
	}
	if _, err := try(append(slices.Clone(whole), 0), "x"); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte too many: %v", err)
	}
	if s, err := try(whole, "y"); !errors.Is(err, ErrForeign) || string(s.Note) != `"n"` || len(s.Tokens) != 0 {
		t.Errorf("another template: %+v, %v", s, err)
	}
	for _, change := range [][2]string{
		{`"numbers":1`, `"numbers":2`}, {`"model":"`, `"model":"0`}, {`"tokens":70`, `"tokens":1000000000`}, {`"tokens":70`, `"tokens":-1`},
		{`"computed":7`, `"computed":8`}, {`"computed":7`, `"computed":-7`}, {`"bytes":`, `"bytes":9`}, {`"first":0`, `"first":9223372036854775807`},
		{`"keys":"f16"`, `"keys":"q8_0"`}, {`"values":"f16"`, `"values":"q4_0"`}, {`"values":"f16",`, ""},
		{`"pages":`, `"pages":-`}, {`"kind":"position"`, `"kind":"sequence"`}, {`{`, `{"more":1,`},
	} {
		data := bytes.Replace(whole, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(data, whole) {
			t.Fatalf("%q is not in the head", change[0])
		}
		if _, err := try(data, "x"); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
			t.Errorf("%q: %v", change[1], err)
		}
	}
	if s, err := try(whole, "x"); err != nil || s.Computed != 70 {
		t.Errorf("the sound session: %+v, %v", s, err)
	}
}
