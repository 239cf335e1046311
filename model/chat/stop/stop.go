package stop

import (
	"fmt"
	"unicode/utf8"

	"eclat/model/tokenizer"
)

const (
	maxStrings = 64
	maxLen     = 1024 // bytes of one
)

// Matcher looks for the first of some strings in a text.
type Matcher struct {
	strings []pattern
	held    []byte // not yet given back
	seen    int    // bytes of held that have been looked at
}

// pattern is a string to look for, and how much of it the text ends with.
type pattern struct {
	text string
	next []int32 // by length: how long a shorter beginning the text ends with too (Knuth, Morris, Pratt)
	at   int     // bytes matched
}

// New returns a Matcher for the strings given, of which there may be none. An error says
// which cannot be looked for.
func New(texts ...string) (*Matcher, error) {
	if len(texts) > maxStrings {
		return nil, fmt.Errorf("%d stop strings; the most allowed is %d", len(texts), maxStrings)
	}
	m := &Matcher{}
	for _, text := range texts {
		switch {
		case text == "":
			return nil, fmt.Errorf("a stop string is empty")
		case len(text) > maxLen:
			return nil, fmt.Errorf("stop string %.20q… is %d bytes long; the most allowed is %d", text, len(text), maxLen)
		case !utf8.ValidString(text):
			return nil, fmt.Errorf("stop string %.40q is not UTF-8", text)
		}
		p := pattern{text: text, next: make([]int32, len(text)+1)}
		for i := 1; i < len(text); i++ {
			p.next[i+1] = int32(p.step(int(p.next[i]), text[i]))
		}
		m.strings = append(m.strings, p)
	}
	return m, nil
}

// step is how long a beginning of the pattern ends with c after one of n bytes.
func (p *pattern) step(n int, c byte) int {
	for n == len(p.text) || n > 0 && p.text[n] != c {
		n = int(p.next[n])
	}
	if p.text[n] == c {
		n++
	}
	return n
}

// Next takes the bytes that the text goes on with. It returns the text that is certain
// by now. Once a stop string is complete, which is its place among New's and the text
// is all that stands before it; rest is what of b comes after it, and the Matcher is as
// good as new. Else which is −1.
func (m *Matcher) Next(b []byte) (text string, which int, rest []byte) {
	m.held = append(m.held, b...)
	for m.seen < len(m.held) {
		c := m.held[m.seen]
		m.seen++
		which, longest := -1, 0
		for i := range m.strings {
			p := &m.strings[i]
			if p.at = p.step(p.at, c); p.at == len(p.text) && p.at > longest {
				which, longest = i, p.at
			}
		}
		if which >= 0 {
			rest = b[len(b)-(len(m.held)-m.seen):]
			text, _ = tokenizer.Characters(m.held[:m.seen-longest], true)
			m.reset()
			return text, which, rest
		}
	}
	hold := 0
	for i := range m.strings {
		hold = max(hold, m.strings[i].at)
	}
	certain := m.held[:len(m.held)-hold]
	text, left := tokenizer.Characters(certain, false)
	n := copy(m.held, m.held[len(certain)-len(left):])
	m.held = m.held[:n]
	m.seen = n
	return text, -1, nil
}

// Flush returns what was held back, where the text ends without a stop string. The
// Matcher is then as good as new.
func (m *Matcher) Flush() string {
	text, _ := tokenizer.Characters(m.held, true)
	m.reset()
	return text
}

func (m *Matcher) reset() {
	m.held, m.seen = m.held[:0], 0
	for i := range m.strings {
		m.strings[i].at = 0
	}
}
