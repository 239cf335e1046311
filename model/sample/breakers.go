package sample

import (
	"bytes"
	"slices"
	"strings"
)

// breakers are the texts over which DRY matches nothing, in the tokens of a vocabulary.
// They are read-only once made. A nil one has none.
type breakers struct {
	texts []string
	v     Vocabulary
	whole []uint64 // a bit a token: it holds one
	ends  []uint64 // its first bytes may be the last ones of one that begins in a token before
}

// are reports whether b was made of these texts and vocabulary.
func (b *breakers) are(texts []string, v Vocabulary) bool {
	return b != nil && b.v == v && slices.Equal(b.texts, texts)
}

func newBreakers(texts []string, v Vocabulary) *breakers {
	words := (v.Size() + 63) / 64
	b := &breakers{slices.Clone(texts), v, make([]uint64, words), make([]uint64, words)}
	var endings [256][]string // of breakers, by their first byte
	for _, text := range texts {
		for n := 1; n < len(text); n++ {
			if e := &endings[text[n]]; !slices.Contains(*e, text[n:]) {
				*e = append(*e, text[n:])
			}
		}
	}
	var buf []byte
	for id := range int32(v.Size()) {
		buf = v.Append(buf[:0], id, true)
		if len(buf) == 0 {
			continue
		}
		for _, text := range texts {
			if bytes.Contains(buf, []byte(text)) {
				b.whole[id/64] |= 1 << (id % 64)
				break
			}
		}
		for _, end := range endings[buf[0]] {
			if bytes.HasPrefix(buf, []byte(end)) {
				b.ends[id/64] |= 1 << (id % 64)
				break
			}
		}
	}
	return b
}

func bit(set []uint64, id int32) bool {
	return id >= 0 && int(id/64) < len(set) && set[id/64]>>(id%64)&1 != 0
}

// holds reports whether a token's text holds a breaker.
func (b *breakers) holds(id int32) bool { return b != nil && bit(b.whole, id) }

// since returns how many tokens at the end of the window came after its last breaker.
func (b *breakers) since(s *Sampler, w []int32) int {
	if b == nil {
		return len(w)
	}
	for i := len(w) - 1; i >= 0; i-- {
		if bit(b.whole, w[i]) || bit(b.ends, w[i]) && b.endsAt(s, w[:i+1]) {
			return len(w) - 1 - i
		}
	}
	return len(w)
}

// endsAt reports whether a breaker that begins in an earlier token ends in the last.
func (b *breakers) endsAt(s *Sampler, w []int32) bool {
	last := len(w) - 1
	for _, text := range b.texts {
		for n := 1; n < len(text); n++ {
			s.text = b.v.Append(s.text[:0], w[last], true)
			if !strings.HasPrefix(string(s.text), text[len(text)-n:]) {
				continue
			}
			left := text[:len(text)-n] // has to end where the last token begins
			for i := last - 1; i >= 0 && left != ""; i-- {
				s.text = b.v.Append(s.text[:0], w[i], true)
				switch {
				case len(s.text) >= len(left):
					if strings.HasSuffix(string(s.text), left) {
						return true
					}
					i = 0
				case strings.HasSuffix(left, string(s.text)):
					left = left[:len(left)-len(s.text)]
				default:
					i = 0
				}
			}
		}
	}
	return false
}
