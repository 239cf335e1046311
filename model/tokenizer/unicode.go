package tokenizer

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// class is the set a character belongs to, one bit each, so that a set of
// classes is a mask. Zero stands for the end of the text.
type class uint8

const (
	letter class = 1 << iota // \p{L}
	number                   // \p{N}
	space                    // \s
	punct                    // \p{P}
	symbol                   // \p{S}
	mark                     // \p{M}
	other                    // controls, format characters, private use, unassigned
)

const (
	asciiMax  = utf8.RuneSelf
	pageSize  = 256
	pageCount = (unicode.MaxRune + 1) / pageSize
)

// newer holds the characters of Unicode 15.1, the version of llama.cpp's
// tables, that are unassigned in Unicode 15.0, the version of Go's.
var newer = []struct {
	lo, hi rune
	class  class
}{
	{0x2FFC, 0x2FFF, symbol},   // ideographic description characters
	{0x31EF, 0x31EF, symbol},   // ideographic description character subtraction
	{0x2EBF0, 0x2EE5D, letter}, // CJK unified ideographs extension I
}

// classTable maps every code point to its class by pages of 256, equal pages
// shared.
type classTable struct {
	ascii [asciiMax]class
	pages [pageCount]*[pageSize]class
}

// classes is built once, on first use, from Go's unicode tables.
var classes = sync.OnceValue(func() *classTable {
	flat := make([]class, unicode.MaxRune+1)
	for i := range flat {
		flat[i] = other
	}
	for _, t := range []struct {
		table *unicode.RangeTable
		class class
	}{
		{unicode.L, letter}, {unicode.N, number}, {unicode.P, punct}, {unicode.S, symbol},
		{unicode.M, mark}, {unicode.White_Space, space},
	} {
		for _, r := range t.table.R16 {
			for c := uint32(r.Lo); c <= uint32(r.Hi); c += uint32(r.Stride) {
				flat[c] = t.class
			}
		}
		for _, r := range t.table.R32 {
			for c := r.Lo; c <= r.Hi; c += r.Stride {
				flat[c] = t.class
			}
		}
	}
	for _, r := range newer {
		for c := r.lo; c <= r.hi; c++ {
			flat[c] = r.class
		}
	}

	t := &classTable{}
	copy(t.ascii[:], flat)
	seen := map[[pageSize]class]*[pageSize]class{}
	for i := range t.pages {
		page := [pageSize]class(flat[i*pageSize:])
		if seen[page] == nil {
			seen[page] = &page
		}
		t.pages[i] = seen[page]
	}
	return t
})

// at returns the class of the character at s[i:] and its length in bytes; 0, 0
// at the end.
func (t *classTable) at(s string, i int) (class, int) {
	if i >= len(s) {
		return 0, 0
	}
	if c := s[i]; c < asciiMax {
		return t.ascii[c], 1
	}
	r, n := decodeRune(s[i:])
	return t.pages[r/pageSize][r%pageSize], n
}

// span returns the end of the run of characters in mask that starts at s[i:].
func (t *classTable) span(s string, i int, mask class) int {
	for i < len(s) {
		c, n := t.ascii[s[i]&(asciiMax-1)], 1
		if s[i] >= asciiMax {
			c, n = t.at(s, i)
		}
		if c&mask == 0 {
			return i
		}
		i += n
	}
	return i
}

// decodeRune decodes the first character of cleaned text (see clean), which is
// UTF-8 that may encode surrogates.
func decodeRune(s string) (rune, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 && len(s) >= 3 { // a surrogate: nothing else is left
		return rune(s[0]&0x0F)<<12 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), 3
	}
	return r, n
}

// clean returns text as llama.cpp's BPE sees it: a byte that does not belong to
// a character becomes U+FFFD, an encoding longer than need be is shortened, an
// encoded surrogate stays. Valid UTF-8 is returned as it is.
func clean(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := make([]byte, 0, len(s)+len(s)/2)
	for i := 0; i < len(s); {
		r, n := lenientRune(s[i:])
		if 0xD800 <= r && r <= 0xDFFF {
			out = append(out, s[i:i+n]...)
		} else {
			out = utf8.AppendRune(out, r)
		}
		i += n
	}
	return string(out)
}

// lenientRune decodes one character by the bit pattern alone: lead byte, then
// continuation bytes. Anything else is one byte of U+FFFD. So are patterns
// beyond U+10FFFF, at which llama.cpp gives up on the whole text.
func lenientRune(s string) (rune, int) {
	var n int
	var r rune
	switch c := s[0]; {
	case c < 0x80:
		return rune(c), 1
	case c < 0xC0, c >= 0xF8:
		return utf8.RuneError, 1
	case c < 0xE0:
		n, r = 2, rune(c&0x1F)
	case c < 0xF0:
		n, r = 3, rune(c&0x0F)
	default:
		n, r = 4, rune(c&0x07)
	}
	if len(s) < n {
		return utf8.RuneError, 1
	}
	for _, c := range []byte(s[1:n]) {
		if c&0xC0 != 0x80 {
			return utf8.RuneError, 1
		}
		r = r<<6 | rune(c&0x3F)
	}
	if r > unicode.MaxRune {
		return utf8.RuneError, 1
	}
	return r, n
}
