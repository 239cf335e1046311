package pda

import (
	"math/bits"
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

// Width is the most bytes of a character of some classes.
func (k Classes) Width() int32 {
	if k>>beyond != 0 {
		return utf8.UTFMax
	}
	return 1
}

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
	for _, l := range p.leads(s) {
		if l.to >= 0 {
			x.First |= l.classes
		}
		if l.to < 0 || !p.States[l.to].only() {
			x.Turn &^= l.classes
		}
	}
	var room [mostStates]int32
	var by [mostStates]Classes // of reached, the classes that lead there
	k := allClasses
anew:
	for range mostAnew {
		// Level by level, what text of k of n characters leads to is reached[from:to].
		reached := append(room[:0], s)
		by[0] = allClasses
		x.Forks, x.Leaves = false, false
		for from, n := 0, int32(0); ; n++ {
			to := len(reached)
			if from == to {
				x.Classes, x.Chars = k, -1
				return x
			}
			was := k
			for i, r := range reached[from:] {
				k = p.keep(r, k, by[from+i])
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
				for _, l := range p.leads(r) {
					if l.classes&k == 0 {
						continue
					}
					at := slices.Index(reached, l.to)
					if at < 0 {
						if full = full || len(reached) == mostStates; full {
							continue
						}
						at = len(reached)
						reached, by[at] = append(reached, l.to), 0
					}
					by[at] |= l.classes & k
				}
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

// keep returns those of the classes k with which text goes on from s, all characters of
// each; where more are lost than lead to s, those that lead there go instead, as that of
// the colon before a port, behind which there are digits alone.
func (p *Program) keep(s int32, k, by Classes) Classes {
	left := k
	for _, l := range p.leads(s) {
		if l.to < 0 {
			left &^= l.classes
		}
	}
	if bits.OnesCount64(uint64(k&^left)) > bits.OnesCount64(uint64(k&by)) && k&^by != 0 {
		return k &^ by
	}
	return left
}

// lead says that some character of each of some classes leads to a state, −1 for none.
type lead struct {
	classes Classes
	to      int32
}

// leads returns where the classes lead from s. It is found once.
func (p *Program) leads(s int32) []lead {
	if known := p.known[s].Load(); known != nil {
		return *known
	}
	var found []lead
	add := func(class uint8, to int32) {
		at := slices.IndexFunc(found, func(l lead) bool { return l.to == to })
		if at < 0 {
			at = len(found)
			found = append(found, lead{to: to})
		}
		found[at].classes |= 1 << class
	}
	st := p.States[s]
	edges := p.Edges[st.Edge:st.EdgeEnd]
	for c := range uint8(utf8.RuneSelf) {
		for len(edges) > 0 && edges[0].Hi < c {
			edges = edges[1:]
		}
		if len(edges) == 0 || c < edges[0].Lo {
			add(classOf[c], -1)
		} else {
			add(classOf[c], edges[0].To)
		}
	}
	for _, w := range beyondWays {
		p.follow(s, w, func(to int32) { add(uint8(beyond), to) })
	}
	p.known[s].Store(&found)
	return found
}
