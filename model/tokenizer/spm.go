package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// spm is what a SentencePiece vocabulary needs: a text's symbols are its
// characters, a pair merges if together they are a token, the token with the
// highest score first, and what stays outside the vocabulary is written as
// tokens of one byte. Gemma 4 differs in its merges, see gemma4.go.
type spm struct {
	addSpace bool             // a space goes before the text
	ascii    [asciiMax]int32  // symbols of characters, noSymbol if there is none
	extra    map[string]int32 // symbols that are only parts of tokens: characters or, with Gemma 4, any string
	bytes    [256]int32       // the token for each byte, -1 if there is none
	words    bool             // no token goes on over a space after anything but spaces
	lines    bool             // a text is cut at newlines: Gemma 4
}

// escapedSpace stands for a space, in the vocabulary and in the text.
const escapedSpace = "▁"

const noSymbol = -1

func (t *Tokenizer) newSPM(m *metadata) {
	t.spm = &spm{addSpace: m.flag("add_space_prefix", true), extra: map[string]int32{}, words: true}
	t.readEnds(m, 1, 2, true)
	scores := m.scores()
	unknown := m.spare("unknown_token_id", 0)
	t.ids = make(map[string]int32, len(t.texts))
	for i, text := range t.texts {
		if len(text) > maxPiece {
			m.fail(prefix+"tokens", "token %d has %d bytes; the most allowed is %d", i, len(text), maxPiece)
		}
		t.addID(m, t.ids, text, i)
	}
	if m.err != nil {
		return
	}
	for b := range t.spm.bytes {
		id, ok := t.ids[fmt.Sprintf("<0x%02X>", b)]
		if !ok {
			id, ok = t.ids[string([]byte{byte(b)})]
		}
		if !ok {
			id = unknown
		}
		t.spm.bytes[b] = id
	}
	for _, text := range t.texts {
		for i := 0; i < len(text); {
			n := charLen(text[i:])
			t.addSymbol(text[i : i+n])
			i += n
		}
		t.spm.words = t.spm.words && !overSpace(text)
	}
	t.indexASCII()
	t.pairUp(scores)
}

// overSpace reports whether a token goes on over a space after anything else.
func overSpace(text string) bool {
	return strings.Contains(strings.TrimLeft(text, escapedSpace), escapedSpace)
}

// indexASCII notes the symbols of the commonest characters.
func (t *Tokenizer) indexASCII() {
	for c := range t.spm.ascii {
		t.spm.ascii[c] = t.lookup(string(rune(c)))
	}
}

// addSymbol gives a string that is not a token an extra symbol.
func (t *Tokenizer) addSymbol(s string) {
	if t.lookup(s) != noSymbol {
		return
	}
	t.spm.extra[s] = int32(len(t.texts) + len(t.extras))
	t.extras = append(t.extras, t.byteTokens(nil, s))
}

// lookup returns the symbol for a string: a token, an extra one, or noSymbol.
func (t *Tokenizer) lookup(s string) int32 {
	if id, ok := t.ids[s]; ok {
		return id
	}
	if id, ok := t.spm.extra[s]; ok {
		return id
	}
	return noSymbol
}

// pairUp builds the table of pairs: each way to cut a token into two symbols.
// The rank of a pair is the place of the token's score, highest first.
func (t *Tokenizer) pairUp(scores []float64) {
	order := make([]int32, len(scores))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return 0
	})
	type pair struct{ left, right, to, rank int32 }
	var pairs []pair
	rank := int32(0)
	for i, id := range order {
		if i > 0 && scores[id] != scores[order[i-1]] {
			rank++
		}
		text := t.texts[id]
		for cut := charLen(text); cut < len(text); cut += charLen(text[cut:]) {
			left, right := t.lookup(text[:cut]), t.lookup(text[cut:])
			if left != noSymbol && right != noSymbol {
				pairs = append(pairs, pair{left, right, id, rank})
			}
		}
	}
	t.pairs = newPairTable(len(pairs))
	for _, p := range pairs {
		t.pairs.add(p.left, p.right, p.to, p.rank)
	}
}

// encodeSPM appends the tokens of s to dst. A space goes before a text that is
// the first or follows a special token.
func (t *Tokenizer) encodeSPM(dst []int32, w *scratch, s string, afterSpecial bool) []int32 {
	s = strings.ReplaceAll(s, " ", escapedSpace)
	if t.spm.addSpace && afterSpecial {
		s = escapedSpace + s
	}
	w.syms = w.syms[:0]
	spaceBefore := false
	for i := 0; i < len(s); {
		n := charLen(s[i:])
		isSpace := s[i:i+n] == escapedSpace
		if t.spm.words && isSpace && !spaceBefore { // nothing merges across
			dst = t.mergeSPM(dst, w, s)
		}
		id := int32(noSymbol)
		if n == 1 && s[i] < asciiMax {
			id = t.spm.ascii[s[i]]
		} else {
			id = t.lookup(s[i : i+n])
		}
		if id == noSymbol {
			id = ^int32(i)
		}
		w.syms = append(w.syms, id)
		spaceBefore = isSpace
		i += n
	}
	return t.mergeSPM(dst, w, s)
}

// mergeSPM merges the symbols gathered so far and appends their tokens to dst.
func (t *Tokenizer) mergeSPM(dst []int32, w *scratch, s string) []int32 {
	t.pairs.merge(w)
	for _, id := range w.syms {
		switch {
		case id < 0:
			i := int(^id)
			dst = t.byteTokens(dst, s[i:i+charLen(s[i:])])
		case int(id) < len(t.texts):
			dst = append(dst, id)
		default:
			dst = append(dst, t.extras[int(id)-len(t.texts)]...)
		}
	}
	w.syms = w.syms[:0]
	return dst
}

func (t *Tokenizer) byteTokens(dst []int32, s string) []int32 {
	for _, b := range []byte(s) {
		if id := t.spm.bytes[b]; id >= 0 {
			dst = append(dst, id)
		}
	}
	return dst
}

// charLen returns the length in bytes of the character at the start of s as its
// first byte gives it, whatever follows.
func charLen(s string) int {
	n := 1
	switch c := s[0]; {
	case c >= 0xF0:
		n = utf8.UTFMax
	case c >= 0xE0:
		n = 3
	case c >= 0xC0:
		n = 2
	}
	return min(n, len(s))
}
