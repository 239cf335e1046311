package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// buffer is a text and the place in it where typing goes on.
type buffer struct {
	text string
	pos  int // bytes
}

func (b *buffer) insert(s string) {
	b.text = b.text[:b.pos] + s + b.text[b.pos:]
	b.pos += len(s)
}

// next is where the character at pos ends, as people count characters.
func (b *buffer) next(pos int) int {
	c, _, _, _ := uniseg.FirstGraphemeClusterInString(b.text[pos:], -1)
	return pos + len(c)
}

// before is where the character before pos begins.
func (b *buffer) before(pos int) int {
	at := b.lineStart(pos)
	if at == pos {
		return max(0, pos-1) // a line break, or the beginning
	}
	for {
		n := b.next(at)
		if n >= pos {
			return at
		}
		at = n
	}
}

// lineStart and lineEnd bound the line that pos is in.
func (b *buffer) lineStart(pos int) int { return strings.LastIndexByte(b.text[:pos], '\n') + 1 }

func (b *buffer) lineEnd(pos int) int {
	if i := strings.IndexByte(b.text[pos:], '\n'); i >= 0 {
		return pos + i
	}
	return len(b.text)
}

// isWord reports whether a character belongs to a word.
func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// wordBefore is where the word before pos begins.
func (b *buffer) wordBefore(pos int) int {
	for inWord := false; pos > 0; {
		r, n := utf8.DecodeLastRuneInString(b.text[:pos])
		if inWord && !isWord(r) {
			break
		}
		inWord = inWord || isWord(r)
		pos -= n
	}
	return pos
}

// wordAfter is where the word after pos ends.
func (b *buffer) wordAfter(pos int) int {
	for inWord := false; pos < len(b.text); {
		r, n := utf8.DecodeRuneInString(b.text[pos:])
		if inWord && !isWord(r) {
			break
		}
		inWord = inWord || isWord(r)
		pos += n
	}
	return pos
}

// cut removes what is between the cursor and another place.
func (b *buffer) cut(to int) {
	from := b.pos
	if to < from {
		from, to = to, from
	}
	b.text = b.text[:from] + b.text[to:]
	b.pos = from
}

// apply does what a key that edits does, and reports whether k is one.
func (b *buffer) apply(k key) bool {
	switch k.kind {
	case char, pasted:
		b.insert(k.text)
	case newline:
		b.insert("\n")
	case left:
		b.pos = b.before(b.pos)
	case right:
		b.pos = b.next(b.pos)
	case wordLeft:
		b.pos = b.wordBefore(b.pos)
	case wordRight:
		b.pos = b.wordAfter(b.pos)
	case home:
		b.pos = b.lineStart(b.pos)
	case end:
		b.pos = b.lineEnd(b.pos)
	case backspace:
		b.cut(b.before(b.pos))
	case remove, endOfInput:
		b.cut(b.next(b.pos))
	case removeWord:
		b.cut(b.wordBefore(b.pos))
	case removeNextWord:
		b.cut(b.wordAfter(b.pos))
	case removeToStart:
		b.cut(b.lineStart(b.pos))
	case removeToEnd:
		b.cut(b.lineEnd(b.pos))
	default:
		return false
	}
	return true
}
