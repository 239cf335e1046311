package terminal

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// kind says what a key does.
type kind uint8

const (
	char   kind = iota // text that was typed
	pasted             // text that was pasted
	enter
	newline // a line break within the message: Alt-Enter
	interrupt
	endOfInput // Ctrl-D: delete, or leave where there is nothing
	left
	right
	up
	down
	wordLeft
	wordRight
	home
	end
	backspace
	remove // the character under the cursor
	removeWord
	removeNextWord
	removeToStart
	removeToEnd
	older // Ctrl-P
	newer // Ctrl-N
	clearScreen
	complete
	lost // a paste that was too long
)

// key is a press of a key, or a paste.
type key struct {
	kind kind
	text string // of char and pasted
}

// maxPaste bounds a paste, in bytes; one that is longer is dropped whole.
const maxPaste = 16 << 20

// maxSequence bounds an escape sequence of a key, in bytes.
const maxSequence = 32

var (
	pasteBegins = []byte("\x1b[200~")
	pasteEnds   = []byte("\x1b[201~")
)

// controls are the keys below the space.
var controls = map[byte]kind{
	1: home, 2: left, 3: interrupt, 4: endOfInput, 5: end, 6: right, 8: backspace, '\t': complete, '\n': enter, 11: removeToEnd,
	12: clearScreen, '\r': enter, 14: newer, 16: older, 21: removeToStart, 23: removeWord, 127: backspace,
}

// sequences are the keys that send ESC [ or ESC O, and how they end.
var sequences = map[string]kind{
	"A": up, "B": down, "C": right, "D": left, "H": home, "F": end, "1~": home, "7~": home, "4~": end, "8~": end, "3~": remove,
	"1;5C": wordRight, "1;5D": wordLeft, "1;3C": wordRight, "1;3D": wordLeft, "3;5~": removeNextWord, "13;2u": newline, "13;3u": newline, "27;2;13~": newline,
}

// alts are keys pressed together with Alt.
var alts = map[byte]kind{'\r': newline, '\n': newline, 'b': wordLeft, 'f': wordRight, 'd': removeNextWord, 127: removeWord, 8: removeWord}

// decoder makes keys of bytes, however those come in pieces.
type decoder struct {
	pending []byte
	pasting bool
	paste   []byte
	tooLong bool
}

// feed takes bytes and tells the keys that are whole.
func (d *decoder) feed(b []byte, tell func(key)) {
	d.pending = append(d.pending, b...)
	for len(d.pending) > 0 {
		n := 0
		if d.pasting {
			n = d.pastes(tell)
		} else {
			n = d.key(tell)
		}
		if n == 0 {
			break
		}
		d.pending = d.pending[n:]
	}
	d.pending = append(d.pending[:0:0], d.pending...) // so that it does not keep what is done with
}

// pastes takes the bytes of a paste, all but those that may be the beginning of its end.
func (d *decoder) pastes(tell func(key)) int {
	i := bytes.Index(d.pending, pasteEnds)
	n := i
	if i < 0 {
		n = max(0, len(d.pending)-len(pasteEnds)+1)
	}
	if d.tooLong = d.tooLong || len(d.paste)+n > maxPaste; !d.tooLong {
		d.paste = append(d.paste, d.pending[:n]...)
	}
	if i < 0 {
		return n
	}
	if d.tooLong {
		tell(key{kind: lost})
	} else {
		tell(key{pasted, clean(string(d.paste))})
	}
	d.pasting, d.paste, d.tooLong = false, nil, false
	return n + len(pasteEnds)
}

// clean gives text its line breaks and makes it UTF-8.
func clean(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\r", "\n"), "\ufffd")
}

// key takes one key and says how many bytes it is; 0 where more are needed.
func (d *decoder) key(tell func(key)) int {
	b := d.pending
	switch c := b[0]; {
	case c == 0x1b:
		return d.escape(tell)
	case c < ' ' || c == 127:
		if k, ok := controls[c]; ok {
			tell(key{kind: k})
		}
		return 1
	}
	n := 0
	for n < len(b) && b[n] >= ' ' && b[n] != 127 && utf8.FullRune(b[n:]) {
		_, size := utf8.DecodeRune(b[n:])
		n += size
	}
	if n > 0 {
		tell(key{char, string([]rune(string(b[:n])))}) // one U+FFFD for each bad byte, however they come
	}
	return n
}

// escape takes a key that begins with ESC. One that nobody knows is left out.
func (d *decoder) escape(tell func(key)) int {
	b := d.pending
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '[', 'O':
		for i := 2; i < len(b) && i < maxSequence; i++ {
			if b[i] < '@' || b[i] > '~' {
				continue
			}
			if bytes.Equal(b[:i+1], pasteBegins) {
				d.pasting = true
			} else if k, ok := sequences[string(b[2:i+1])]; ok {
				tell(key{kind: k})
			}
			return i + 1
		}
		if len(b) >= maxSequence {
			return 2
		}
		return 0
	}
	if k, ok := alts[b[1]]; ok {
		tell(key{kind: k})
		return 2
	}
	return 1 // the Escape key before another
}
