package grammar

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"eclat/model/grammar/pda"
)

func TestGBNFCases(t *testing.T) {
	v := byteVocabulary(t)
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct{ grammar, yes, no string }{
		{`root ::= "a" "b"*`, "a\nab\nabbbb", "b\n\nabc"},
		{"# comment\nroot ::= item (\",\" ws item)* # more\n\nitem ::=\n  \"x\" |\n  [0-9]+\n  | \"é\"\nws ::= \" \"?\n", "x\n12\nx, 3,é", "x,\n,x\nx  ,3"},
		{`root ::= "\"" [^"\\\x00-\x1F]{2,4} "\""`, "\"ab\"\n\"日本語だ\"", "\"a\"\n\"abcde\"\n\"a\\\""},
		{`root ::= [a-c\-\]]{3}`, "a-]\nabc", "ab\nabd\nabcc"},
		{`root ::= ("a" | "b" | ) "c"`, "ac\nbc\nc", "abc\na"},
		{`root ::= expr
expr ::= term ([-+] term)*
term ::= num | "(" expr ")"
num ::= [0-9]+`, "1+2-(3+4)\n((1))", "1+\n(1\n)"},
		{`root ::= "a" root "b" | "ab"`, "ab\naabb\naaabbb", "aab\nabb\na"},
		{`root ::= "a" root | "b"`, "b\naaaab", "a\nba"},
		{`root ::= x{2,3} "!"
x ::= "a"? "b"?`, "!\na!\nabab!\nbaba!\naaa!\nbbb!", "bababa!\naaaa!"},
		{`root ::= .{3}`, "abc\n日本語\n\U0001F600é.", "ab\nabcd"},
		{`root ::= [\u00e9-\u0400]+`, "éĀ", "e\nѐѐ"},
		{`root ::= "a"{70000} "b"?`, strings.Repeat("a", 70000), strings.Repeat("a", 69999)},
		{`root ::= ("ab"{2,40} ","){1,30}`, "abab,\nababab,abab,", "ab,\nabab"},
		{`root ::= ""`, "", "a"},
		{"root ::= \"\" | \"x\"\r\n", "x", "xx"},
		{`root ::= (a | b)+
a ::= "x" a | "y"
b ::= "x" b | "z"`, "xxy\nxxz\nyzxy", "x\nxx"},
	} {
		g, err := FromGBNF(c.grammar)
		if err != nil {
			t.Errorf("%s: %v", c.grammar, err)
			continue
		}
		m := NewMasks(g, v, 1<<20).Matcher(4)
		for _, text := range strings.Split(c.yes, "\n") {
			if !accepts(m, text) {
				t.Errorf("%s refuses %.100q", c.grammar, text)
			}
		}
		for _, text := range strings.Split(c.no, "\n") {
			if accepts(m, text) {
				t.Errorf("%s takes %.100q", c.grammar, text)
			}
		}
		if !strings.Contains(c.grammar, "70000") {
			for range 20 {
				if text, ended := walk(t, m, rng, 40, 20000); !ended || !accepts(m, text) {
					t.Errorf("%s: a walk under masks gave %q, which it refuses", c.grammar, text)
				}
			}
		}
	}
}

func TestGBNFRefused(t *testing.T) {
	for _, c := range []struct {
		grammar, says string
		is            error
	}{
		{``, `no rule "root"`, nil},
		{`a ::= "x"`, `no rule "root"`, nil},
		{"root ::= \"a\"\n\nb ::= c", `line 3: rule "c" is not defined`, nil},
		{"root ::= a", `line 1: rule "a" is not defined`, nil},
		{`root ::= root "a" | "b"`, `rule "root"`, pda.ErrLeftRecursion},
		{"root ::= a\na ::= \"x\"? b \"y\"\nb ::= a | \"z\"", `rule "`, pda.ErrLeftRecursion},
		{"root ::= \"y\" a\na ::= (a){3,90} \"x\" | \"z\"", `rule "a"`, pda.ErrLeftRecursion},
		{`root ::= "a" root`, `rule "root"`, pda.ErrEndless},
		{"root ::= \"x\" | loop\nloop ::= \"c\" loop", `rule "loop"`, pda.ErrEndless},
		{"root ::= \"x\"\nroot ::= \"y\"", `line 2, rule "root": it is defined a second time`, nil},
		{`root ::= "x`, `no '"' at the end`, nil},
		{`root ::= [a`, `no ']' at the end`, nil},
		{`root ::= []`, `a class of no character`, nil},
		{`root ::= [b-a]`, `runs backwards`, nil},
		{`root ::= ("x"`, `a ( without its )`, nil},
		{`root ::= "x")`, `not understood`, nil},
		{`root ::= "x" {3,2}`, `a count in { }`, nil},
		{`root ::= "x"{99999999999}`, `a count in { }`, nil},
		{`root ::= "\q"`, `the escape \q`, nil},
		{`root ::= "\ud800"`, `no character`, nil},
		{`root ::= <[1]>`, `references to tokens are not supported`, nil},
		{`root = "x"`, `no ::=`, nil},
		{"root ::= \"x\" *** ** * *", `repetitions of repetitions`, nil},
		{"root ::= " + strings.Repeat("(", 1000) + `"x"` + strings.Repeat(")", 1000), `nested deeper`, nil},
		{"root ::= \"\xff\"", `not UTF-8`, nil},
		{strings.Repeat("#", 5<<20), `bytes; at most`, nil},
	} {
		_, err := FromGBNF(c.grammar)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%.60q: %v, which should say %q", c.grammar, err, c.says)
		}
	}
}

// A grammar of the tests, matched by backtracking: the ends that a part can reach from a
// position, by trying everything.
type part interface {
	ends(g *toy, s string, at int) []int
	String() string
}
type (
	lit  string
	one  string // one of these bytes
	cat  []part
	or   []part
	name int
	many struct {
		x      part
		lo, hi int
	}
)

type toy struct {
	rules []part
	seen  map[[2]int][]int // a rule's ends, by rule and position
}

func (x lit) ends(_ *toy, s string, at int) []int {
	if strings.HasPrefix(s[at:], string(x)) {
		return []int{at + len(x)}
	}
	return nil
}
func (x one) ends(_ *toy, s string, at int) []int {
	if at < len(s) && strings.IndexByte(string(x), s[at]) >= 0 {
		return []int{at + 1}
	}
	return nil
}
func (x cat) ends(g *toy, s string, at int) []int {
	now := []int{at}
	for _, p := range x {
		var next []int
		for _, i := range now {
			next = append(next, p.ends(g, s, i)...)
		}
		slices.Sort(next)
		now = slices.Compact(next)
	}
	return now
}
func (x or) ends(g *toy, s string, at int) (all []int) {
	for _, p := range x {
		all = append(all, p.ends(g, s, at)...)
	}
	return all
}
func (x many) ends(g *toy, s string, at int) (all []int) {
	now := []int{at}
	for n := 0; len(now) > 0 && (x.hi < 0 && n <= len(s)+x.lo || n <= x.hi); n++ {
		if n >= x.lo {
			all = append(all, now...)
		}
		if n == x.hi {
			break
		}
		now = cat{x.x}.from(g, s, now)
	}
	return all
}
func (x cat) from(g *toy, s string, now []int) []int {
	var next []int
	for _, i := range now {
		next = append(next, x.ends(g, s, i)...)
	}
	slices.Sort(next)
	return slices.Compact(next)
}
func (x name) ends(g *toy, s string, at int) []int {
	key := [2]int{int(x), at}
	ends, ok := g.seen[key]
	if !ok {
		ends = cat{g.rules[x]}.from(g, s, []int{at})
		g.seen[key] = ends
	}
	return ends
}

func (x lit) String() string { return fmt.Sprintf("%q", string(x)) }
func (x one) String() string { return "[" + string(x) + "]" }
func (x cat) String() string {
	var b strings.Builder
	for _, p := range x {
		b.WriteString(p.String() + " ")
	}
	return b.String()
}
func (x or) String() string {
	var all []string
	for _, p := range x {
		all = append(all, p.String())
	}
	return "(" + strings.Join(all, "|") + ")"
}
func (x many) String() string {
	if x.hi < 0 {
		return fmt.Sprintf("(%s){%d,}", x.x, x.lo)
	}
	return fmt.Sprintf("(%s){%d,%d}", x.x, x.lo, x.hi)
}
func (x name) String() string {
	if x == 0 {
		return "root"
	}
	return fmt.Sprintf("r%d", int(x))
}

func (g *toy) String() string {
	var b strings.Builder
	for i, r := range g.rules {
		fmt.Fprintf(&b, "%s ::= %s\n", name(i), r)
	}
	return b.String()
}

func (g *toy) match(s string) bool {
	g.seen = map[[2]int][]int{}
	return slices.Contains(name(0).ends(g, s, 0), len(s))
}

func randomPart(rng *rand.Rand, rules, depth int) part {
	k := rng.IntN(10)
	if depth == 0 {
		k = rng.IntN(5)
	}
	switch k {
	case 0, 1:
		return lit([]string{"", "a", "b", "ab", "ba", "aab", "c"}[rng.IntN(7)])
	case 2, 3:
		return one([]string{"a", "ab", "bc", "abc"}[rng.IntN(4)])
	case 4:
		return name(rng.IntN(rules))
	case 5, 6:
		x := cat{}
		for range 1 + rng.IntN(3) {
			x = append(x, randomPart(rng, rules, depth-1))
		}
		return x
	case 7, 8:
		x := or{}
		for range 2 + rng.IntN(2) {
			x = append(x, randomPart(rng, rules, depth-1))
		}
		return x
	}
	lo := rng.IntN(3)
	hi := lo + rng.IntN(3)
	switch rng.IntN(4) {
	case 0:
		hi = -1
	case 1:
		hi = lo + 9 + rng.IntN(90) // a counter
	}
	return many{randomPart(rng, rules, depth-1), lo, hi}
}

// strings of the letters a, b, c and at most n bytes.
func shortStrings(n int) []string {
	all := []string{""}
	for from := 0; n > 0; n-- {
		to := len(all)
		for _, s := range all[from:to] {
			all = append(all, s+"a", s+"b", s+"c")
		}
		from = to
	}
	return all
}

// TestGBNFAgainstBacktracking: random grammars accept the strings that trying everything
// accepts, no others; and under masks everything begun can be ended.
func TestGBNFAgainstBacktracking(t *testing.T) {
	v := byteVocabulary(t, "abc", "bab", "cc", "aaaa")
	rng := rand.New(rand.NewPCG(5, 6))
	short := shortStrings(6)
	checked, refused, members := 0, 0, 0
	for checked < 1000 {
		g := &toy{}
		rules := 1 + rng.IntN(4)
		for range rules {
			g.rules = append(g.rules, randomPart(rng, rules, 3))
		}
		text := g.String()
		compiled, err := FromGBNF(text)
		if err != nil {
			if !errors.Is(err, pda.ErrLeftRecursion) && !errors.Is(err, pda.ErrEndless) {
				t.Fatalf("%s%v", text, err)
			}
			refused++
			continue
		}
		checked++
		m := NewMasks(compiled, v, 1<<20).Matcher(4)
		for _, s := range short {
			want := g.match(s)
			if want {
				members++
			}
			if got := accepts(m, s); got != want {
				t.Fatalf("%s%q: %v, by backtracking %v", text, s, got, want)
			}
		}
		for range 3 {
			// Some of these languages run away, so a long text need not end.
			if s, ended := walk(t, m, rng, 12, 50); ended && !g.match(s) {
				t.Fatalf("%sa walk gave %q", text, s)
			}
		}
	}
	t.Logf("%d grammars, %d strings in their languages; %d more were refused as left-recursive or endless", checked, members, refused)
}
