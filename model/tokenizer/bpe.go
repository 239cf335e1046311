package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// bpe is what byte-level BPE needs beyond the vocabulary: the file writes each
// byte of a token as a printable character (see spelled), a word's symbols are
// its bytes, and merges come as a list, the first the most urgent.
type bpe struct {
	pre    preTokenizer
	bytes  [256]int32 // the symbol of each byte
	extras map[string]int32
}

func (t *Tokenizer) newBPE(m *metadata) {
	t.bpe = &bpe{extras: map[string]int32{}}
	name := m.str(prefix+"pre", "")
	if name == "" {
		name = "default"
	}
	pre, ok := preTokenizers[name]
	if !ok {
		m.fail(prefix+"pre", "pre-tokenizer %.24q is not supported; supported are %s; the nearest is %s", name, supportedPre(), nearestPre(name))
	}
	t.bpe.pre = pre
	bos := int32(11) // the defaults of llama.cpp
	if pre.noBOS {
		bos = -1
	}
	t.readEnds(m, bos, 11, pre.addBOS)
	if m.err == nil {
		t.indexBytes(m)
	}
	if m.err == nil {
		t.mergeBytes(m)
	}
}

// indexBytes fills ids and odd. The keys of ids share one string.
func (t *Tokenizer) indexBytes(m *metadata) {
	t.ids, t.odd = make(map[string]int32, len(t.texts)), map[string]int32{}
	var all []byte
	ends := make([]int, len(t.texts)) // of each token's bytes in all; -1: it spells none
	for i, text := range t.texts {
		spelt, ok := spelled(all, text)
		if !ok {
			ends[i] = -1
			t.addID(m, t.odd, text, i)
			continue
		}
		all = spelt
		ends[i] = len(all)
	}
	bytes, start := string(all), 0
	for i, end := range ends {
		if end >= 0 {
			t.addID(m, t.ids, bytes[start:end], i)
			start = end
		}
	}
}

// readMerges builds the table of pairs from the merges, of which it hands over
// each with its parts. A part of a merge need not be a token.
func (t *Tokenizer) readMerges(m *metadata, add func(rank int32, left, right string)) {
	if _, ok := m.f.Get(prefix + "merges"); !ok {
		m.fail(prefix+"merges", "there are no merges, which byte-level BPE and Gemma 4 need")
		return
	}
	merges := m.strings("merges")
	t.pairs = newPairTable(len(merges))
	for rank, merge := range merges {
		left, right, _ := strings.Cut(merge, " ")
		if left == "" || right == "" || strings.Contains(right, " ") {
			m.fail(prefix+"merges", "merge %d is %.80q, not two parts with a space between", rank, merge)
			return
		}
		add(int32(rank), left, right)
	}
}

// mergeBytes adds the merges and the symbols of the bytes.
func (t *Tokenizer) mergeBytes(m *metadata) {
	var buf []byte
	t.readMerges(m, func(rank int32, left, right string) {
		bytes, ok := spelled(buf[:0], left)
		cut := len(bytes)
		if ok {
			bytes, ok = spelled(bytes, right)
		}
		buf = bytes
		if ok { // else of characters that stand for no byte: no text leads to it
			t.pairs.add(t.symbol(bytes[:cut]), t.symbol(bytes[cut:]), t.symbol(bytes), rank)
		}
	})
	for b := range t.bpe.bytes {
		t.bpe.bytes[b] = t.symbol([]byte{byte(b)})
	}
}

// symbol returns the token that spells these bytes, or an extra symbol. Where a
// word ends as one of those, llama.cpp looks for tokens of a single byte in the
// text the symbol would have in the file.
func (t *Tokenizer) symbol(bytes []byte) int32 {
	if id, ok := t.ids[string(bytes)]; ok {
		return id
	}
	if id, ok := t.bpe.extras[string(bytes)]; ok {
		return id
	}
	var tokens []int32
	var text []byte
	for _, b := range bytes {
		text = utf8.AppendRune(text, runeOf[b])
	}
	for _, b := range text {
		if id, ok := t.ID(string([]byte{b})); ok {
			tokens = append(tokens, id)
		}
	}
	id := int32(len(t.texts) + len(t.extras))
	t.extras = append(t.extras, tokens)
	t.bpe.extras[string(bytes)] = id
	return id
}

// encodeBPE splits s by the first splitter, the words by the next, and so on,
// and appends the tokens of the words to dst.
func (t *Tokenizer) encodeBPE(dst []int32, w *scratch, s string, splitters []splitter) []int32 {
	if len(splitters) == 0 {
		return t.encodeWord(dst, w, s)
	}
	for s != "" {
		n := splitters[0](s)
		dst = t.encodeBPE(dst, w, s[:n], splitters[1:])
		s = s[n:]
	}
	return dst
}

func (t *Tokenizer) encodeWord(dst []int32, w *scratch, word string) []int32 {
	if t.bpe.pre.whole {
		if id, ok := t.ids[word]; ok {
			return append(dst, id)
		}
	}
	w.syms = w.syms[:0]
	for _, b := range []byte(word) {
		w.syms = append(w.syms, t.bpe.bytes[b])
	}
	t.pairs.merge(w)
	for _, id := range w.syms {
		if int(id) < len(t.texts) {
			dst = append(dst, id)
		} else {
			dst = append(dst, t.extras[int(id)-len(t.texts)]...)
		}
	}
	return dst
}

// runeOf gives the character a vocabulary file writes for each byte: printable
// characters of Latin-1 stand for themselves, the other bytes, in order, are
// U+0100 and on. A space is Ġ. byteOf is the way back, -1 for other characters.
var runeOf, byteOf = func() (runes [256]rune, bytes [0x144]int16) {
	for i := range bytes {
		bytes[i] = -1
	}
	next := rune(0x100)
	for b := range runes {
		r := rune(b)
		if b < 0x21 || 0x7F <= b && b < 0xA1 || b == 0xAD {
			r = next
			next++
		}
		runes[b], bytes[r] = r, int16(b)
	}
	return
}()

// spelled appends the bytes that a text of the vocabulary file stands for; false
// if one of its characters stands for none.
func spelled(dst []byte, text string) ([]byte, bool) {
	mark := len(dst)
	for _, r := range text {
		if int(r) >= len(byteOf) || byteOf[r] < 0 { // U+FFFD, for a bad byte, is beyond
			return dst[:mark], false
		}
		dst = append(dst, byte(byteOf[r]))
	}
	return dst, true
}
