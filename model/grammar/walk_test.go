package grammar

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// byteVocabulary is every byte, some pieces as tokens have, an empty token and two ends.
func byteVocabulary(t testing.TB, pieces ...string) *Vocabulary {
	t.Helper()
	var tokens [][]byte
	for b := range 256 {
		tokens = append(tokens, []byte{byte(b)})
	}
	for _, p := range append([]string{`{"`, `":`, `": "`, `",`, `", "`, `"}`, `"}]`, `},`, `[{"`, `]}`, "true", "false", "null", "the", " of",
		"é", "日本", "hello", `\n`, `\"`, `\u00`, "12", "0.", "-1", "2024-", "aa", "ab", "ba", "\xe6\x97", "\xa5x", "\" }", "\n"}, pieces...) {
		tokens = append(tokens, []byte(p))
	}
	end := int32(len(tokens))
	tokens = append(tokens, []byte("</s>"), []byte(""), []byte(""))
	v, err := NewVocabulary(tokens, []int32{end, end + 2})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// walk takes tokens at random from the masks until an end token. Past soft bytes it takes
// what shortens the text; past hard it gives up, ended false,
// and where the grammar is too ambiguous.
func walk(t testing.TB, m *Matcher, rng *rand.Rand, soft, hard int) (text string, ended bool) {
	t.Helper()
	m.Reset()
	v := m.v
	mask := make([]uint64, v.Words())
	var out []byte
	var ids []int32
	for !m.Done() {
		if err := m.Mask(mask); errors.Is(err, ErrAmbiguous) {
			return string(out), false
		} else if err != nil {
			t.Fatalf("after %q: %v", out, err)
		}
		ids = ids[:0]
		for id := range int32(v.Len()) {
			if mask[id/64]>>(id%64)&1 != 0 {
				ids = append(ids, id)
			}
		}
		var id int32
		if long := len(out) > soft; long && m.Final() {
			id = v.ends[0]
		} else if long {
			id = shortest(m, ids, rng)
		} else {
			id = ids[rng.IntN(len(ids))]
		}
		if err := m.Accept(id); err != nil {
			t.Fatalf("the mask allows token %d %q after %q, the matcher does not: %v", id, v.tokens[id], out, err)
		}
		if !m.Done() {
			out = append(out, v.tokens[id]...)
		}
		if len(out) > hard {
			return string(out), false
		}
	}
	return string(out), true
}

// shortest picks, every other time, a token that closes something, where one is allowed.
func shortest(m *Matcher, ids []int32, rng *rand.Rand) int32 {
	const closers = `"}]n,:`
	b := int32(closers[rng.IntN(len(closers))])
	if rng.IntN(2) == 0 && slices.Contains(ids, b) {
		return b
	}
	return ids[rng.IntN(len(ids))]
}

// accepts reports whether the whole of text is in the grammar, byte by byte.
func accepts(m *Matcher, text string) bool {
	m.Reset()
	for i := range len(text) {
		if m.AcceptBytes([]byte{text[i]}) != nil {
			return false
		}
	}
	return m.Final()
}
