package regular

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// TestAgainstRegexp: random patterns, in the part of the language on which ECMA and Go agree,
// match the strings that package regexp says they match.
func TestAgainstRegexp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var pattern func(depth int) string
	pattern = func(depth int) string {
		k := rng.IntN(12)
		if depth == 0 {
			k = rng.IntN(6)
		}
		switch k {
		case 0, 1:
			return string("abé"[rng.IntN(2)])
		case 2:
			return "."
		case 3:
			return []string{"[ab]", "[^a]", `\d`, `\w`, "[a-cé]", `\W`, `[^\d]`, `\x61`, `\.`}[rng.IntN(9)]
		case 4:
			return "é"
		case 5:
			return []string{"^", "$", "a", "b"}[rng.IntN(4)]
		case 6, 7:
			return pattern(depth-1) + pattern(depth-1)
		case 8, 9:
			return "(" + pattern(depth-1) + "|" + pattern(depth-1) + ")"
		}
		return "(?:" + pattern(depth-1) + ")" + []string{"*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"}[rng.IntN(7)]
	}
	letters := []rune("abcé1.\n_")
	matches := 0
	for range 3000 {
		p := pattern(4)
		re, err := regexp.Compile(p)
		if err != nil {
			continue
		}
		d, err := Compile(p)
		if err != nil && !errors.Is(err, ErrEmpty) {
			t.Fatalf("%s: %v", p, err)
		}
		for range 60 {
			var s []rune
			for range rng.IntN(7) {
				s = append(s, letters[rng.IntN(len(letters))])
			}
			want := re.MatchString(string(s))
			if want {
				matches++
			}
			if got := err == nil && d.Match(string(s)); got != want {
				t.Fatalf("%s on %q: %v, regexp %v", p, string(s), got, want)
			}
		}
	}
	t.Logf("%d matches", matches)
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ pattern, says string }{
		{"(", "without its )"}, {")", "without its ("}, {"[", "without its ]"}, {"[]", "no character"}, {"[b-a]", "backwards"}, {"*", "nothing before"},
		{"a**", "nothing before"}, {"^*", "nothing before"}, {"a{2", "count"}, {"a{3,2}", "count"}, {"a{1000000}", "count"}, {`\`, `at the end`}, {`\k`, `\k`},
		{`\1`, `\1`}, {`\b`, `\b`}, {"(?=a)", "(?"}, {`\x4`, "hexadecimal"}, {`\ud800`, "no character"}, {`\u{110000}`, "no character"}, {`\p{Nope}`, "Nope"},
		{`\p`, "{name}"}, {"\xff", "UTF-8"}, {"a^b", "no string"}, {"$a", "no string"}, {"(a|b)*a(a|b){20}", "8192"}, {"((a{99}){99}){99}", "8192"},
		{strings.Repeat("(", 300), "deeper"}, {strings.Repeat("a", 1<<17), "bytes"},
	} {
		_, err := Compile(c.pattern)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.40q: %v, which should say %q", c.pattern, err, c.says)
		}
	}
}

// TestOps: products, lengths and words left out, against what they mean.
func TestOps(t *testing.T) {
	must := func(d *DFA, err error) *DFA {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a, b := must(Compile("^(ab|c)*$")), must(Compile("b.*b"))
	both := must(Intersect(a, b))
	long := must(Length(2, 4))
	open := must(Length(3, -1))
	but := must(Except([]string{"ab", "", "abc", "é"}))
	short := []string{""}
	for i := 0; len(short[i]) < 5; i++ {
		for _, c := range "abcé" {
			short = append(short, short[i]+string(c))
		}
	}
	for _, s := range short {
		n := len([]rune(s))
		for _, c := range []struct{ got, want bool }{
			{both.Match(s), a.Match(s) && b.Match(s)},
			{long.Match(s), n >= 2 && n <= 4},
			{open.Match(s), n >= 3},
			{but.Match(s), s != "ab" && s != "" && s != "abc" && s != "é"},
		} {
			if c.got != c.want {
				t.Errorf("%q: %+v", s, c)
			}
		}
	}
	if _, err := Intersect(must(Compile("^a$")), must(Compile("^b$"))); !errors.Is(err, ErrEmpty) {
		t.Error(err)
	}
	if _, err := Length(0, MaxStates); !errors.Is(err, ErrSize) {
		t.Error(err)
	}
}

func TestSet(t *testing.T) {
	s := NewSet(Range{'c', 'e'}, Range{'a', 'b'}, Range{0xD000, 0xE100}, Range{'z', 'y'}, Range{'d', 'g'})
	if fmt.Sprint(s) != "[{97 103} {53248 55295} {57344 57600}]" {
		t.Error(s)
	}
	for _, c := range []rune{0, 'a', 'g', 'h', 0xCFFF, 0xD000, 0xD7FF, 0xD800, 0xE000, 0xE101, 0x10FFFF} {
		in := 'a' <= c && c <= 'g' || 0xD000 <= c && c <= 0xE100 && !(0xD800 <= c && c <= 0xDFFF)
		if s.Has(c) != in || s.Negate().Has(c) != (!in && Any.Has(c)) {
			t.Errorf("%U: %v", c, s.Has(c))
		}
	}
}

// FuzzCompile: any pattern is compiled or refused, and one that Go knows too and that has
// neither blanks nor line ends in its meaning agrees with it.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{"^a+b$|c", `\d{2,}-[^a-z]?`, `\p{Greek}*`, "(?:a|)(b|^c)*", `\u{1F600}`} {
		f.Add(s, "aab")
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		d, err := Compile(pattern)
		if err == nil {
			d.Match(s)
		}
	})
}
