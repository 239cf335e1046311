package engine

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/model/sample"
)

// fileWith is a file with settings of sampling, and nothing to run.
func fileWith(t *testing.T, kv map[string]any) *loader.File {
	t.Helper()
	var w ggufwrite.File
	w.Set("general.architecture", "llama")
	for key, value := range kv {
		w.Set("general.sampling."+key, value)
	}
	f, err := loader.FromBytes("model.gguf", w.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// everything is on: what depends on the tokens before, and what on the position.
func everything() sample.Settings {
	s := sample.Defaults()
	s.Seed, s.Temp, s.TopK = 5, 1.2, 60
	s.Bias = []sample.Bias{{ID: 40, Add: 1}, {ID: 41, Add: float32(math.Inf(-1))}}
	s.Repeat, s.Frequency, s.Presence, s.LastN = 1.1, 0.1, 0.1, 20
	s.DryMultiplier, s.TopNSigma, s.Typical = 0.8, 3, 0.95
	s.XTCProbability, s.XTCThreshold, s.DynaRange = 0.5, 0.05, 0.4
	return s
}

// TestSettingsAnywhere: with every sampler on, the text is the same alone, among others,
// after pages that were found, in small steps, and on another device.
func TestSettingsAnywhere(t *testing.T) {
	long(t)
	prompt := strings.Repeat("The people of the United States, the people of the several States, and the people of ", 12)
	r := Request{Settings: everything(), MaxTokens: 40, IgnoreEOS: true, Share: -1}
	e := open(t, builtIn, Options{Device: "cpu", Context: 4096, Parallel: 4})
	want, _ := generate(t, e, prompt, r)
	plain := r
	plain.Settings = sample.Settings{Params: r.Params}
	if got, _ := generate(t, e, prompt, plain); slices.Equal(got, want) {
		t.Error("without penalties and the like it is the same text")
	}
	if got, st := generate(t, e, prompt, r); !slices.Equal(got, want) || st.CachedTokens == 0 {
		t.Errorf("with %d cached tokens %v, want %v", st.CachedTokens, got, want)
	}
	var streams []*Stream
	for i := range 4 {
		q := r
		q.Tokens = e.Prompt(prompt, false)
		if i > 0 {
			q.Tokens, q.Seed = q.Tokens[i:], uint64(i)
		}
		s, err := e.Submit(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, s)
	}
	for i, s := range streams {
		var got []int32
		for ev, ok := s.Next(); ok; ev, ok = s.Next() {
			if ev.ID >= 0 {
				got = append(got, ev.ID)
			}
		}
		if i == 0 && !slices.Equal(got, want) {
			t.Errorf("among others %v, want %v", got, want)
		}
	}
	r.MaxTokens = 8
	if got, _ := generate(t, open(t, builtIn, Options{Device: "ref", Context: 1024}), prompt, r); !slices.Equal(got, want[:8]) {
		t.Errorf("on ref %v, want %v", got, want[:8])
	}
}

// TestGPUSettings: what the device cannot sample comes from its logits.
func TestGPUSettings(t *testing.T) {
	long(t)
	r := Request{Settings: everything(), MaxTokens: 40, IgnoreEOS: true}
	got, _ := generate(t, open(t, builtIn, Options{Device: gpuName(t)}), "We the people", r)
	want, _ := generate(t, open(t, builtIn, Options{Device: "cpu"}), "We the people", r)
	if !slices.Equal(got, want) {
		t.Errorf("gpu: %v\ncpu: %v", got, want)
	}
}

// TestBan: a banned token is never chosen, and one that is pushed always.
func TestBan(t *testing.T) {
	long(t)
	e := open(t, builtIn, Options{Device: "cpu", Context: 64})
	r := Request{MaxTokens: 10, IgnoreEOS: true}
	want, _ := generate(t, e, "The Congress", r)
	r.Bias = []sample.Bias{{ID: want[0], Add: float32(math.Inf(-1))}}
	if got, _ := generate(t, e, "The Congress", r); slices.Contains(got, want[0]) {
		t.Errorf("%v has the token %d", got, want[0])
	}
	r.Bias = []sample.Bias{{ID: 40, Add: 1e4}}
	if got, _ := generate(t, e, "The Congress", r); slices.ContainsFunc(got, func(id int32) bool { return id != 40 }) {
		t.Errorf("%v has others than token 40", got)
	}
}

// TestBadSettings: Submit refuses them, by name.
func TestBadSettings(t *testing.T) {
	e := open(t, builtIn, Options{Device: "cpu", Context: 64})
	for says, change := range map[string]func(s *sample.Settings){
		"temp NaN":             func(s *sample.Settings) { s.Temp = float32(math.NaN()) },
		"top-k -1":             func(s *sample.Settings) { s.TopK = -1 },
		"typical 2":            func(s *sample.Settings) { s.Typical = 2 },
		"repeat-penalty +Inf":  func(s *sample.Settings) { s.Repeat = float32(math.Inf(1)) },
		"logit-bias of token":  func(s *sample.Settings) { s.Bias = []sample.Bias{{ID: 1 << 30, Add: 1}} },
		"dry-sequence-breaker": func(s *sample.Settings) { s.DryBreakers = []string{strings.Repeat("x", 1000)} },
	} {
		r := Request{Tokens: []int32{1}, MaxTokens: 1}
		change(&r.Settings)
		_, err := e.Submit(context.Background(), r)
		var wrong *sample.Error
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// TestUntil: the text ends with the token that was said to be the last, no other is
// chosen after it, and the caller has it.
func TestUntil(t *testing.T) {
	long(t)
	e := open(t, builtIn, Options{Device: "cpu", Context: 64})
	r := Request{MaxTokens: 20, IgnoreEOS: true, Proof: true}
	all, _ := generate(t, e, "The Congress", r)
	for n := 1; n <= 5; n += 2 {
		var told []int32
		r.Until = func(id int32) bool {
			told = append(told, id)
			return len(told) == n
		}
		got, st := generate(t, e, "The Congress", r)
		if st.Stop != StopText || !slices.Equal(got, all[:n]) || !slices.Equal(told, got) || st.Proof.Rows != n {
			t.Errorf("after %d: %q, %v, told %v, proof of %d rows; want %v", n, st.Stop, got, told, st.Proof.Rows, all[:n])
		}
	}
}

// TestRecommended: what the model's file recommends is there to be taken, and a bad one
// is told of.
func TestRecommended(t *testing.T) {
	e := open(t, builtIn, Options{Device: "cpu", Context: 64})
	want := sample.Defaults()
	if e.Sampling.String() != want.String() {
		t.Errorf("%s, want %s", &e.Sampling, &want)
	}
	var said bytes.Buffer
	e.options.Notice = func(m string) { said.WriteString(m + "\n") }
	e.recommend(fileWith(t, map[string]any{"temp": float32(0.7), "mirostat": int32(1)}))
	if e.Sampling.Temp != 0.7 || !strings.Contains(said.String(), "general.sampling.mirostat") {
		t.Errorf("%s; %q", &e.Sampling, &said)
	}
	e.recommend(fileWith(t, map[string]any{"temp": float32(-1), "top_k": int32(3)}))
	if e.Sampling.String() != want.String() || !strings.Contains(said.String(), "general.sampling.temp") {
		t.Errorf("%s; %q", &e.Sampling, &said)
	}
}

// TestAllow: a token that is not allowed is never chosen, Allow is asked in order with
// Until, and its error ends the request; with drafts too.
func TestAllow(t *testing.T) {
	e := open(t, builtIn, Options{Device: "cpu", Context: 64, eager: true})
	bits := make([]uint64, (e.Model.Config.NVocab+63)/64)
	want := []int32{}
	r := Request{MaxTokens: 12, IgnoreEOS: true, Draft: MaxDraft}
	r.Allow = func() ([]uint64, error) {
		clear(bits)
		id := int32(300 + len(want)%3)
		bits[id/64] |= 1 << (id % 64)
		return bits, nil
	}
	r.Until = func(id int32) bool { want = append(want, id); return false }
	got, _ := generate(t, e, "The Congress", r)
	if !slices.Equal(got, want) || !slices.Equal(got[:6], []int32{300, 301, 302, 300, 301, 302}) {
		t.Errorf("%v, told %v", got, want)
	}
	for says, allow := range map[string]func() ([]uint64, error){
		"it is full":    func() ([]uint64, error) { return nil, errors.New("it is full") },
		"may be chosen": func() ([]uint64, error) { return bits[:0:0], nil },
	} {
		r := Request{Tokens: []int32{1}, MaxTokens: 3, Allow: allow}
		_, err := e.Generate(context.Background(), r, nil, nil)
		if err == nil || !strings.Contains(err.Error(), says) || errors.Is(err, ErrNotFinite) {
			t.Errorf("%s: %v", says, err)
		}
	}
}
