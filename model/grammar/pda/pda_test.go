package pda

import (
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"eclat/model/grammar/regular"
)

// takes follows s in a program without acts.
func takes(p *Program, s []byte) bool {
	at := p.Start
	for _, c := range s {
		if at = p.Next(at, c); at < 0 {
			return false
		}
	}
	return p.States[at].Leave
}

// TestChars: the automaton of a set takes the UTF-8 of its characters and nothing else.
func TestChars(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	edges := []rune{0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x3FFFF, 0x40000, 0x10FFFF, 0xBF, 0xC0, 0x83F, 0x840}
	pick := func() rune {
		c := edges[rng.IntN(len(edges))] + rune(rng.IntN(5)) - 2
		if rng.IntN(2) == 0 {
			c = rune(rng.IntN(0x110000))
		}
		return max(min(c, 0x10FFFF), 0)
	}
	for range 500 {
		var ranges []regular.Range
		for range 1 + rng.IntN(3) {
			a, b := pick(), pick()
			ranges = append(ranges, regular.Range{Lo: min(a, b), Hi: max(a, b)})
		}
		set := regular.NewSet(ranges...)
		if len(set) == 0 {
			continue
		}
		p, err := Compile([]Rule{{"root", &Expr{Op: Chars, Set: set}}})
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			c := pick()
			if !utf8.ValidRune(c) {
				continue
			}
			if s := utf8.AppendRune(nil, c); takes(p, s) != set.Has(c) {
				t.Fatalf("%x: %U is in the set: %v", set, c, set.Has(c))
			}
			s := []byte{byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256))}[:1+rng.IntN(4)]
			if c, n := utf8.DecodeRune(s); takes(p, s) != (n == len(s) && utf8.Valid(s) && set.Has(c)) {
				t.Fatalf("%x: takes % x: %v", set, s, takes(p, s))
			}
		}
	}
}

// TestTailCalls: what recurses at its end needs no stack, and calls of one rule from one
// state are one.
func TestTailCalls(t *testing.T) {
	a := &Expr{Op: Ref, Rule: 1}
	p, err := Compile([]Rule{
		{"root", Or(Cat(a, Lit("x")), Cat(a, Lit("y")), a)},
		{"a", Or(Lit("b"), Cat(Lit("a"), a))},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := p.States[p.Start]; n.ActEnd-n.Act != 1 {
		t.Errorf("%d calls at the start, of one rule", n.ActEnd-n.Act)
	}
	tail := 0
	for _, x := range p.Acts {
		if x.Back < 0 {
			tail++
		}
	}
	if tail != 1 {
		t.Errorf("%d calls without a frame of %d", tail, len(p.Acts))
	}
}

// TestText: all text of the classes that a state is said to take follows it, of the length
// that is said, and the classes are found where they are plain to see.
func TestText(t *testing.T) {
	one := map[Classes]string{}
	for c := range rune(utf8.RuneSelf) {
		k, _ := ClassOf([]byte{byte(c)})
		one[k] += string(c)
	}
	k, _ := ClassOf([]byte("é"))
	one[k] = "é日\u0080\U0010FFFF"
	if len(one) != classes {
		t.Fatalf("%d classes, not %d", len(one), classes)
	}
	lower := Classes(1<<26 - 1)
	for source, want := range map[string]struct {
		k Classes
		n int
	}{
		`[a-z]*`: {lower, -1}, `.*`: {PlainClasses, -1}, `[a-z]{0,9}`: {lower, 9}, `(ab+c|.)*`: {PlainClasses, -1}, `[a-z][0-9]*`: {0, 0}, `[^a]*`: {PlainClasses &^ 1, -1},
		`[a-z]{0,90}`: {lower, mostStates - 1}, `x?`: {0, 0}, `([a-z]|é)*`: {lower, -1},
	} {
		d, err := regular.Compile(`^(` + source + `)$`)
		if err != nil {
			t.Fatal(source, err)
		}
		p, err := Compile([]Rule{{"root", &Expr{Op: Auto, DFA: d}}})
		if err != nil {
			t.Fatal(source, err)
		}
		for s := range p.States {
			x := p.Text(int32(s))
			k, n := x.Classes, int(x.Chars)
			if int32(s) == p.Start && (k&PlainClasses != want.k || n != want.n) {
				t.Errorf("%s: %x of %d characters, want %x of %d", source, k, n, want.k, want.n)
			}
			rng := rand.New(rand.NewPCG(1, uint64(s)))
			var all []rune
			for c, text := range one {
				if c&^k == 0 {
					all = append(all, []rune(text)...)
				}
			}
			if n < 0 {
				n = 100
			}
			for range 50 {
				var text []byte
				for range n {
					text = utf8.AppendRune(text, all[rng.IntN(len(all))])
				}
				at := int32(s)
				for _, c := range text {
					if at = p.Next(at, c); at < 0 {
						t.Fatalf("%s, state %d: it does not take %q", source, s, text)
					}
				}
			}
		}
	}
}
