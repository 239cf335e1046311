package sample

import (
	"errors"
	"math"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
)

// TestCheck: each wrong setting is named, with what is wrong.
func TestCheck(t *testing.T) {
	ok := Defaults()
	if err := ok.Check(); err != nil {
		t.Fatal(err)
	}
	if err := (&Settings{}).Check(); err != nil {
		t.Fatal(err)
	}
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e30, -1e30, -2, 1.5}
	for i := range Fields {
		f := &Fields[i]
		for _, x := range odd {
			s := ok
			if f.Float != nil {
				*f.Float(&s) = float32(x)
			} else {
				*f.Whole(&s) = int32(max(-math.MaxInt32, min(math.MaxInt32, x)))
				if x != x {
					continue
				}
			}
			if v := f.get(&s); v >= f.least && v <= f.most {
				continue
			}
			err := s.Check()
			var e *Error
			if !errors.As(err, &e) || e.Field != f.Flag || !strings.HasPrefix(err.Error(), "sampling: "+f.Flag+" ") || len(err.Error()) > 100 {
				t.Errorf("%s %g: %v", f.Flag, x, err)
			}
		}
	}
	v := words{"a", "b"}
	inf := float32(math.Inf(-1))
	for _, c := range []struct {
		change func(s *Settings)
		says   string
	}{
		{func(s *Settings) { s.DryMultiplier, s.DryBase = 1, 0 }, "dry-base 0 is not a number from 1 on"},
		{func(s *Settings) { s.Bias = []Bias{{-1, 1}} }, "logit-bias of token -1"},
		{func(s *Settings) { s.Bias = []Bias{{0, float32(math.NaN())}} }, "logit-bias of token 0 is NaN"},
		{func(s *Settings) { s.Bias = []Bias{{0, -inf}} }, "logit-bias of token 0 is +Inf"},
		{func(s *Settings) { s.Bias = []Bias{{2, 1}} }, "logit-bias of token 2, and the vocabulary has 2"},
		{func(s *Settings) { s.Bias = []Bias{{0, inf}, {1, inf}} }, "logit-bias bans every token"},
		{func(s *Settings) { s.Bias = make([]Bias, maxBias+1) }, "logit-bias has 65537 entries"},
		{func(s *Settings) { s.DryBreakers = []string{""} }, `dry-sequence-breaker "" is not from 1 to 40`},
		{func(s *Settings) { s.DryBreakers = []string{strings.Repeat("\x1b", 41)} }, "dry-sequence-breaker"},
		{func(s *Settings) { s.DryBreakers = make([]string, 33) }, "dry-sequence-breaker is given 33 times"},
	} {
		s := ok
		c.change(&s)
		err := s.Prepare(v)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%v, which must say %q", err, c.says)
		}
	}
	s := ok
	s.Bias = []Bias{{0, inf}, {0, inf}, {1, 5}}
	if err := s.Prepare(v); err != nil {
		t.Error(err)
	}
}

// TestOnHost: only what backends cannot do is the host's.
func TestOnHost(t *testing.T) {
	s := Defaults()
	if s.OnHost() {
		t.Error("the defaults are on the host")
	}
	for name, change := range map[string]func(s *Settings){
		"bias": func(s *Settings) { s.Bias = []Bias{{1, 0}} }, "repeat": func(s *Settings) { s.Repeat = 1.1 },
		"frequency": func(s *Settings) { s.Frequency = -1 }, "presence": func(s *Settings) { s.Presence = 1 },
		"dry": func(s *Settings) { s.DryMultiplier = 1 }, "sigma": func(s *Settings) { s.TopNSigma = 1 },
		"typical": func(s *Settings) { s.Typical = 0.9 }, "xtc": func(s *Settings) { s.XTCProbability = 0.1 },
		"dynatemp": func(s *Settings) { s.DynaRange = 0.1 },
	} {
		s := Defaults()
		if change(&s); !s.OnHost() {
			t.Errorf("%s is not", name)
		}
	}
	s.Repeat, s.LastN, s.DryMultiplier, s.DryLastN, s.XTCProbability, s.XTCThreshold = 2, 0, 1, 0, 1, 0.6
	if s.OnHost() {
		t.Error("penalties on no tokens are, or XTC that finds nothing")
	}
}

func TestString(t *testing.T) {
	s := Defaults()
	s.Seed = 7
	if got, want := s.String(), "top-k 40 → top-p 0.95 → min-p 0.05 → temp 0.8, seed 7"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := (&Settings{}).String(), "the most likely, seed 0"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.Bias = []Bias{{1, 1}}
	s.Repeat, s.Frequency, s.Presence, s.DryMultiplier, s.TopNSigma, s.Typical, s.XTCProbability, s.DynaRange = 1.1, 0.1, 0.2, 0.8, 1, 0.9, 0.5, 0.3
	want := "logit bias on 1 → repeat 1.1 over 64 tokens → frequency 0.1 over 64 tokens → presence 0.2 over 64 tokens → " +
		"DRY 0.8·1.75^(n−2) over all tokens → top 1σ → top-k 40 → typical 0.9 → top-p 0.95 → min-p 0.05 → XTC 0.5 from 0.1 → temp 0.8 ± 0.3 by entropy^1, seed 7"
	if got := s.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestParseBias(t *testing.T) {
	for text, want := range map[string]Bias{"15+1.5": {15, 1.5}, "0-2": {0, -2}, "7-inf": {7, float32(math.Inf(-1))}, "3+1e2": {3, 100}} {
		if got, err := ParseBias(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "+1", "-1", "1+", "x+1", "1+x", "1+inf", "1+nan", "1-NaN", "99999999999+1", "1+1e99", "1 + 1", "1+-1", "\x1b[2J+1", strings.Repeat("9", 5000)} {
		if got, err := ParseBias(text); err == nil || len(err.Error()) > 150 || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%.40q: %v, %v", text, got, err)
		}
	}
}

// TestRecommended: a file's settings count; what is wrong with them is said.
func TestRecommended(t *testing.T) {
	file := func(kv map[string]any) *loader.File {
		w := &ggufwrite.File{}
		w.Set("general.architecture", "llama")
		for k, v := range kv {
			w.Set("general.sampling."+k, v)
		}
		f, err := loader.FromBytes("model.gguf", w.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	s := Defaults()
	left, err := s.Recommended(file(map[string]any{
		"temp": float32(0.7), "top_k": int32(-1), "top_p": 0.9, "min_p": uint8(0), "xtc_probability": float32(0.25), "xtc_threshold": float32(0.2),
		"penalty_last_n": int32(32), "penalty_repeat": float32(1.05), "mirostat": int32(2), "sequence": "kpt", "mirostat_tau": float32(5),
	}))
	want := Defaults()
	want.Temp, want.TopK, want.TopP, want.MinP, want.XTCProbability, want.XTCThreshold, want.LastN, want.Repeat = 0.7, 0, 0.9, 0, 0.25, 0.2, 32, 1.05
	if err != nil || s.String() != want.String() || strings.Join(left, " ") != "general.sampling.mirostat general.sampling.sequence" {
		t.Errorf("%s, left out %v, %v; want %s", &s, left, err, &want)
	}
	if left, err := s.Recommended(file(map[string]any{"mirostat": int32(0)})); err != nil || left != nil {
		t.Errorf("%v, %v", left, err)
	}
	for key, bad := range map[string][]any{
		"temp": {"warm", float32(-1), math.Inf(1), math.NaN(), 1e300, true, []float32{1}}, "top_k": {1.5, uint64(1 << 62), "x"},
		"top_p": {float32(1.5), float32(-0.5)}, "penalty_last_n": {int32(-2), int64(math.MinInt64)}, "penalty_repeat": {float32(-1), float32(0)}, "xtc_threshold": {int8(2)},
	} {
		for _, x := range bad {
			s := Defaults()
			before := s.String()
			_, err := s.Recommended(file(map[string]any{"min_p": float32(0.5), key: x}))
			var fault *loader.FormatError
			if !errors.As(err, &fault) || fault.Field != "general.sampling."+key || s.String() != before {
				t.Errorf("%s %v: %v, and then %s", key, x, err, &s)
			}
		}
	}
}
