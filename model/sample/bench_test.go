package sample

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkChoose is a token of a vocabulary of 131,072 after 8,192 others, with more and
// more of the chain.
func BenchmarkChoose(b *testing.B) {
	const vocab = 131072
	v := make(words, vocab)
	for i := range v {
		v[i] = "x"
	}
	v[7] = "\n"
	row, ids := rowOf(vocab, 1), said(8192, vocab, 2)
	for _, c := range []struct {
		name   string
		change func(s *Settings)
	}{
		{"defaults", func(s *Settings) {}},
		{"penalties", func(s *Settings) { s.Repeat, s.Presence = 1.1, 0.1 }},
		{"DRY", func(s *Settings) { s.DryMultiplier = 0.8 }},
		{"top-n-sigma", func(s *Settings) { s.TopNSigma = 2 }},
		{"typical", func(s *Settings) { s.Typical = 0.9 }},
		{"XTC", func(s *Settings) { s.XTCProbability = 0.5 }},
		{"dynatemp", func(s *Settings) { s.DynaRange = 0.5 }},
		{"typical of all tokens", func(s *Settings) { s.Typical, s.TopK = 0.9, 0 }},
	} {
		s := Defaults()
		if c.change(&s); s.Prepare(v) != nil {
			b.Fatal(c.name)
		}
		b.Run(c.name, func(b *testing.B) {
			var sampler Sampler
			for b.Loop() {
				sampler.Choose(row, &s, ids)
			}
		})
	}
}

// BenchmarkPick is a token of a small vocabulary, as the built-in model has one.
func BenchmarkPick(b *testing.B) {
	row, how := rowOf(4096, 1), Defaults().Params
	var sampler Sampler
	for b.Loop() {
		sampler.Pick(row, how, 7)
	}
}

// BenchmarkPrepare reads 131,072 tokens through for the field's breakers, and for the most
// and longest that there may be.
func BenchmarkPrepare(b *testing.B) {
	v := make(words, 131072)
	for i := range v {
		v[i] = fmt.Sprintf("a%x", i*7919)
	}
	many := make([]string, maxBreakers)
	for i := range many {
		many[i] = strings.Repeat("a", maxBreakerLen-1) + string(rune('a'+i))
	}
	for name, texts := range map[string][]string{"defaults": Defaults().DryBreakers, "most": many} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				newBreakers(texts, v)
			}
		})
	}
}
