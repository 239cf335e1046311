package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// makePieces finds the bytes each token stands for; none for unused tokens.
func (t *Tokenizer) makePieces() {
	t.pieces = make([]string, len(t.texts))
	if t.bpe != nil { // the keys are the bytes: share them
		for bytes, id := range t.ids {
			t.pieces[id] = bytes
		}
	}
	for id, text := range t.texts {
		switch a := t.attrs[id]; {
		case a&(attrControl|attrUnknown|attrUser) != 0:
			t.pieces[id] = text
		case a&attrByte != 0:
			t.pieces[id] = bytePiece(text)
		case a&attrNormal == 0:
			t.pieces[id] = ""
		case t.spm != nil:
			t.pieces[id] = strings.ReplaceAll(text, escapedSpace, " ")
		default:
			if _, ok := t.odd[text]; ok {
				t.pieces[id] = text
			}
		}
	}
}

// bytePiece returns the byte that <0xHH> stands for. A token that is called a
// byte but has another form stands for its text.
func bytePiece(text string) string {
	if len(text) == len("<0xHH>") && strings.HasPrefix(text, "<0x") && text[5] == '>' {
		if b, err := strconv.ParseUint(text[3:5], 16, 8); err == nil {
			return string([]byte{byte(b)})
		}
	}
	return text
}

// Append appends the bytes a token stands for to dst: part of a character,
// perhaps. Control and unknown tokens stand for their text if special, else for
// nothing, as do ids outside the vocabulary.
func (t *Tokenizer) Append(dst []byte, id int32, special bool) []byte {
	if !t.valid(id) || !special && t.attrs[id]&(attrControl|attrUnknown) != 0 {
		return dst
	}
	return append(dst, t.pieces[id]...)
}

// Decoder turns a stream of tokens into text. It keeps the bytes of a character
// until the character is complete.
type Decoder struct {
	t       *Tokenizer
	special bool
	strip   bool   // a leading space is not part of the text
	held    []byte // not yet returned
}

// NewDecoder returns a Decoder for one text. With special, control tokens are
// part of the text.
//
// If the tokenizer puts a space before a text, the space that the first token
// begins with is left out. Feed the whole text: for the continuation of a
// prompt, Append gives the bytes as they are.
func (t *Tokenizer) NewDecoder(special bool) *Decoder {
	return &Decoder{t: t, special: special, strip: t.spm != nil && t.spm.addSpace}
}

// Next returns the text that is complete with this token, perhaps none. Bytes
// that can be part of no character become U+FFFD, one for each sequence that
// began like a character.
func (d *Decoder) Next(id int32) string {
	start := len(d.held)
	d.held = d.t.Append(d.held, id, d.special)
	if d.strip && start < len(d.held) && d.held[start] == ' ' {
		d.held = append(d.held[:start], d.held[start+1:]...)
	}
	d.strip = false
	return d.take(false)
}

// Flush returns what is left at the end of the text: U+FFFD if it ends within a
// character. The Decoder is then as good as new but for the leading space.
func (d *Decoder) Flush() string { return d.take(true) }

// take returns the complete characters held, all of it at the end.
func (d *Decoder) take(end bool) string {
	text, left := Characters(d.held, end)
	d.held = append(d.held[:0], left...)
	return text
}

// Characters returns the text of the complete characters that b begins with, at the end
// of a text of all of it, and the bytes that are left. Bytes that can be part of no
// character become U+FFFD, one for each sequence that began like a character: so it is
// the same text however the bytes come.
func Characters(b []byte, end bool) (text string, left []byte) {
	var out strings.Builder
	for len(b) > 0 && (end || utf8.FullRune(b)) {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			for n < len(b) && !utf8.FullRune(b[:n]) && !badStart(b[:n+1]) {
				n++
			}
		}
		out.WriteRune(r)
		b = b[n:]
	}
	return out.String(), b
}

// badStart reports whether b can not be the start of a character.
func badStart(b []byte) bool {
	r, n := utf8.DecodeRune(b)
	return r == utf8.RuneError && n == 1 && utf8.FullRune(b)
}
