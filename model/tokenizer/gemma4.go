package tokenizer

import "fmt"

// Gemma 4 merges by a list, as byte-level BPE does, but over the characters of the
// text with ▁ for a space, as SentencePiece does: nothing is split into words but
// at newlines. A run of newlines that is a token is not merged. What stays outside
// the vocabulary is written as tokens of one byte, named <0xHH>.

// newGemma4 reads the vocabulary. Whatever the file says, the text begins with
// BOS: so it is with llama.cpp, for files are about that say otherwise.
func (t *Tokenizer) newGemma4(m *metadata) {
	t.spm = &spm{extra: map[string]int32{}, words: true, lines: true}
	t.readEnds(m, -1, -1, true)
	t.addBOS = true
	t.ids = make(map[string]int32, len(t.texts))
	for i, text := range t.texts {
		t.addID(m, t.ids, text, i)
	}
	if m.err != nil {
		return
	}
	for b := range t.spm.bytes {
		t.spm.bytes[b] = noSymbol
		if id, ok := t.ids[fmt.Sprintf("<0x%02X>", b)]; ok {
			t.spm.bytes[b] = id
		}
	}
	t.readMerges(m, func(rank int32, left, right string) {
		whole := left + right
		for _, part := range []string{left, right, whole} {
			t.addSymbol(part)
		}
		t.pairs.add(t.lookup(left), t.lookup(right), t.lookup(whole), rank)
		t.spm.words = t.spm.words && !overSpace(whole)
	})
	t.indexASCII()
}

// encodeGemma4 appends the tokens of cleaned text to dst.
func (t *Tokenizer) encodeGemma4(dst []int32, w *scratch, s string) []int32 {
	for s != "" {
		n := splitLines(s)
		if id, ok := t.ids[s[:n]]; ok && s[0] == '\n' {
			dst = append(dst, id)
		} else {
			dst = t.encodeSPM(dst, w, s[:n], false)
		}
		s = s[n:]
	}
	return dst
}
