package pda

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Classes is a set of classes of characters, a bit each. Together they are all characters;
// those of Plain are classes of their own.
type Classes uint64

const (
	perLetter           = 26            // a class each: a–z, then A–Z
	digits              = 2 * perLetter // and on: the digits, some marks, and the rest
	marks               = " -_./:"
	commonMarks         = digits + 1 + len(marks) // what URIs and prose have
	otherMarks          = commonMarks + 1
	quotes              = otherMarks + 1 // and what else Plain lacks of ASCII
	beyond              = quotes + 1     // of Plain and beyond ASCII
	classes             = beyond + 1
	allClasses  Classes = 1<<classes - 1
	NoText      Classes = 1 << 63 // what is no text, or not of Plain beyond ASCII. No state takes it
)

// PlainClasses are the classes of the characters of Plain.
const PlainClasses = allClasses &^ (1 << quotes)

// classOf is by ASCII character.
var classOf = func() (of [utf8.RuneSelf]uint8) {
	for c := range of {
		switch i := strings.IndexByte(marks, byte(c)); {
		case 'a' <= c && c <= 'z':
			of[c] = uint8(c - 'a')
		case 'A' <= c && c <= 'Z':
			of[c] = uint8(perLetter + c - 'A')
		case '0' <= c && c <= '9':
			of[c] = digits
		case i >= 0:
			of[c] = uint8(digits + 1 + i)
		case strings.IndexByte("!$&'()*+,=@~", byte(c)) >= 0:
			of[c] = uint8(commonMarks)
		case Plain.Has(rune(c)):
			of[c] = uint8(otherMarks)
		default:
			of[c] = uint8(quotes)
		}
	}
	return of
}()

// ClassOf returns the class of the first character of s and its length; NoText and 1 where
// that is none.
func ClassOf(s []byte) (k Classes, size int) {
	if s[0] < utf8.RuneSelf {
		return 1 << classOf[s[0]], 1
	}
	c, size := utf8.DecodeRune(s)
	if c == utf8.RuneError && size == 1 || !Plain.Has(c) {
		return NoText, size
	}
	return 1 << beyond, size
}

// beyondWays are the characters of the class beyond as ranges of bytes.
var beyondWays = func() (ways [][]span) {
	for _, r := range Plain {
		if r.Hi >= utf8.RuneSelf {
			sequences(max(r.Lo, utf8.RuneSelf), r.Hi, func(s []span) { ways = append(ways, append([]span(nil), s...)) })
		}
	}
	return ways
}()

const (
	mostStates = 48 // that Text looks at
	mostAnew   = 16 // how often it begins anew with fewer classes
	someText   = 4  // text of so many characters is worth more than further classes
)

// Taken is what a state takes of text, by edges alone.
type Taken struct {
	Classes Classes // any text of these may follow
	Chars   int32   // of up to so many characters; −1: of any number
	Forks   bool    // on the way there are acts
	Leaves  bool    // on the way, or at the state, a frame can be popped
	First   Classes // classes of which some character leads on
	Turn    Classes // classes each of whose characters leads to where nothing can be done but pop a frame
}

// Text finds what state s takes. There may be more Classes than it finds: that takes some
// microseconds.
func (p *Program) Text(s int32) (x Taken) {
	x.Turn = allClasses
	p.each(s, allClasses, func(class uint8, to int32) {
		if to >= 0 {
			x.First |= 1 << class
		}
		if to < 0 || !p.States[to].only() {
			x.Turn &^= 1 << class
		}
	})
	var room [mostStates]int32
	k := allClasses
anew:
	for range mostAnew {
		// Level by level, what text of k of n characters leads to is reached[from:to].
		reached := append(room[:0], s)
		x.Forks, x.Leaves = false, false
		for from, n := 0, int32(0); ; n++ {
			to := len(reached)
			if from == to {
				x.Classes, x.Chars = k, -1
				return x
			}
			was := k
			for _, r := range reached[from:] {
				k = p.takes(r, k)
				st := &p.States[r]
				x.Forks = x.Forks || st.Act < st.ActEnd
				x.Leaves = x.Leaves || st.Leave
			}
			switch {
			case k != was && n >= someText:
				x.Classes, x.Chars = was, n
				return x
			case k == 0:
				return x
			case k != was && n > 0:
				continue anew
			}
			full := false
			for _, r := range reached[from:to] {
				p.each(r, k, func(_ uint8, next int32) {
					if !slices.Contains(reached, next) {
						if full = full || len(reached) == mostStates; !full {
							reached = append(reached, next)
						}
					}
				})
			}
			if full { // what the last character leads to was not looked at: it is left out
				x.Classes, x.Chars = k, n
				return x
			}
			from = to
		}
	}
	return x
}

// takes returns those of some classes all of whose characters lead on from s.
func (p *Program) takes(s int32, k Classes) Classes {
	p.each(s, k, func(class uint8, to int32) {
		if to < 0 {
			k &^= 1 << class
		}
	})
	return k
}

// each gives f the states that the characters of some classes lead to from s, −1 for none.
func (p *Program) each(s int32, k Classes, f func(class uint8, to int32)) {
	st := p.States[s]
	edges := p.Edges[st.Edge:st.EdgeEnd]
	for c := range uint8(utf8.RuneSelf) {
		for len(edges) > 0 && edges[0].Hi < c {
			edges = edges[1:]
		}
		class := classOf[c]
		switch {
		case k&(1<<class) == 0:
		case len(edges) == 0 || c < edges[0].Lo:
			f(class, -1)
		default:
			f(class, edges[0].To)
		}
	}
	if k&(1<<beyond) != 0 {
		for _, w := range beyondWays {
			p.follow(s, w, func(to int32) { f(uint8(beyond), to) })
		}
	}
}
