package sample

import (
	"slices"
	"strings"
	"testing"
)

// TestSince: breakers are found in the text of the window wherever its tokens end.
func TestSince(t *testing.T) {
	v := words{"a", "b", "ab", "ba", "aab", "", "é"[:1], "é"[1:], "c"}
	var s Sampler
	found := 0
	for n := range uint32(4000) {
		w := make([]int32, 1+n%12)
		for i := range w {
			w[i] = int32(Uniform(uint64(i), n) * float32(len(v)))
		}
		texts := [][]string{{"abab"}, {"aba", "bb"}, {"é"}, {"ccc", "aabaab"}, {"bab", "é", "c"}, nil}[n%6]
		want := sinceBreaker(w, texts, v.text)
		if got := newBreakers(texts, v).since(&s, w); got != want {
			t.Fatalf("tokens %v, breakers %q: %d tokens since, want %d", w, texts, got, want)
		}
		if want < len(w) {
			found++
		}
	}
	if found < 1000 {
		t.Errorf("only %d windows had a breaker", found)
	}
}

// TestSuffixes holds the one pass against trying all.
func TestSuffixes(t *testing.T) {
	var s Sampler
	for n := range uint32(2000) {
		w := make([]int32, n%40)
		for i := range w {
			w[i] = int32(Uniform(uint64(i), n) * float32(1+n%3))
		}
		z := s.suffixes(w)
		for i := 1; i < len(w); i++ {
			same := 0
			for same < len(w)-i && w[len(w)-1-same] == w[len(w)-1-i-same] {
				same++
			}
			if int(z[i]) != same {
				t.Fatalf("%v without the last %d: %d in common, want %d", w, i, z[i], same)
			}
		}
	}
}

// TestDryCut: a repetition counts back to the last breaker and no further.
func TestDryCut(t *testing.T) {
	v := words{"a", "b", "\n", "c", "d", "e"}
	ids := []int32{0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4} // e follows "ab\ncd" twice
	for name, breakers := range map[string][]string{"none": nil, "line": {"\n"}, "after it": {"c"}, "before it": {"b"}} {
		s := Settings{Params: Params{Temp: 1}, DryMultiplier: 0.2, DryBase: 1.6, DryLastN: -1, DryBreakers: breakers}
		follows(t, "breakers: "+name, []float32{1, 1, 1, 1, 1, 3}, s, ids, v)
	}
}

// TestBreakersKept: breakers are made once; a copy of settings has them, and other texts
// or another vocabulary have others.
func TestBreakersKept(t *testing.T) {
	v, other := &words{"a", "\n"}, &words{"\n", "a"}
	s := Defaults()
	if err := s.Prepare(v); err != nil || s.breakers != nil {
		t.Errorf("%v: made where DRY is off", err)
	}
	s.DryMultiplier = 1
	if err := s.Prepare(v); err != nil {
		t.Fatal(err)
	}
	c := s
	if err := c.Prepare(v); err != nil || c.breakers != s.breakers || !c.breakers.holds(1) || c.breakers.holds(0) {
		t.Error("made anew for a copy")
	}
	if err := c.Prepare(other); err != nil || c.breakers == s.breakers || !c.breakers.holds(0) {
		t.Error("kept for another vocabulary")
	}
	c = s
	c.DryBreakers = slices.Clone(c.DryBreakers)
	if c.DryBreakers[0] = "a"; c.Prepare(v) != nil || c.breakers == s.breakers || !c.breakers.holds(0) {
		t.Error("kept for other texts")
	}
}

// FuzzChoose: no text and no settings of DRY do harm; it is the same however long the
// sampler has been at work.
func FuzzChoose(f *testing.F) {
	f.Add([]byte("the cat the cat the "), "t\x00he", float32(1.5), int32(1), int32(-1))
	f.Add([]byte{0, 0, 0, 0}, "\x00", float32(3e38), int32(0), int32(3))
	v := make(words, 256)
	for i := range v {
		v[i] = string([]byte{byte(i)})
	}
	var used Sampler
	f.Fuzz(func(t *testing.T, text []byte, breakers string, base float32, allowed, last int32) {
		ids := make([]int32, len(text))
		for i, b := range text {
			ids[i] = int32(b)
		}
		s := Defaults()
		s.DryMultiplier, s.DryBase, s.DryAllowed, s.DryLastN, s.DryBreakers = 1, base, allowed, last, strings.Split(breakers, "\x00")
		s.Repeat, s.Presence, s.Seed = 1.1, 0.1, uint64(len(text))
		if s.Prepare(v) != nil {
			return
		}
		row := rowOf(256, uint64(len(text)))
		var fresh Sampler
		if a, b := used.Choose(row, &s, ids), fresh.Choose(row, &s, ids); a != b || a < 0 || a > 255 {
			t.Errorf("tokens %d and %d", a, b)
		}
	})
}
