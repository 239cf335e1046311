package pda

import (
	"unicode/utf8"

	"eclat/model/grammar/regular"
)

// span is the bytes from lo to hi.
type span struct{ lo, hi byte }

// sequences gives emit the characters lo…hi as sequences of byte ranges: a character is in
// the range exactly when its UTF-8 is in one of the sequences.
func sequences(lo, hi rune, emit func([]span)) {
	for _, end := range []rune{0x7F, 0x7FF, 0xFFFF} {
		if lo <= end && end < hi {
			sequences(lo, end, emit)
			sequences(end+1, hi, emit)
			return
		}
	}
	// Same length. Below a byte that differs, all following bytes must run full.
	for shift := 6; hi > 0x7F && shift <= 18; shift += 6 {
		m := rune(1)<<shift - 1
		if lo&^m == hi&^m {
			continue
		}
		if lo&m != 0 {
			sequences(lo, lo|m, emit)
			sequences((lo|m)+1, hi, emit)
			return
		}
		if hi&m != m {
			sequences(lo, hi&^m-1, emit)
			sequences(hi&^m, hi, emit)
			return
		}
	}
	var a, b [utf8.UTFMax]byte
	n := utf8.EncodeRune(a[:], lo)
	utf8.EncodeRune(b[:], hi)
	var seq [utf8.UTFMax]span
	for i := range n {
		seq[i] = span{a[i], b[i]}
	}
	emit(seq[:n])
}

// escaped is what JSON does not take as it stands between quotes.
var escaped = regular.NewSet(regular.Range{Lo: 0, Hi: 0x1F}, regular.Range{Lo: '"', Hi: '"'}, regular.Range{Lo: '\\', Hi: '\\'})

// short holds the characters with an escape of one letter.
var short = map[rune]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

// escapes gives emit the spelling of each character of set that needs one.
func escapes(set regular.Set, emit func([]span)) {
	is := func(c byte) span { return span{c, c} }
	for _, r := range set.Intersect(escaped) {
		for c := r.Lo; c <= r.Hi; c++ {
			if letter, ok := short[c]; ok {
				emit([]span{is('\\'), is(letter)})
				continue
			}
			head := []span{is('\\'), is('u'), is('0'), is('0'), is('0' + byte(c>>4))}
			if low := byte(c & 15); low < 10 {
				emit(append(head, is('0'+low)))
			} else {
				emit(append(head, is('a'+low-10)))
				emit(append(head[:5:5], is('A'+low-10)))
			}
		}
	}
}

// spell gives emit each sequence of byte ranges of a character of set, as json says.
func spell(set regular.Set, json bool, emit func([]span)) {
	if json {
		escapes(set, emit)
		set = set.Intersect(escaped.Negate())
	}
	for _, r := range set {
		sequences(r.Lo, r.Hi, emit)
	}
}
