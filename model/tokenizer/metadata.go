package tokenizer

import (
	"math"

	"eclat/loader"
)

const (
	prefix = "tokenizer.ggml."

	maxTokens = 2 << 20 // and merges

	// maxPiece bounds the tokens of a SentencePiece vocabulary, in bytes: New
	// looks at each way to cut a token in two.
	maxPiece = 1024
)

// metadata reads keys of a file and keeps the first error.
type metadata struct {
	f   *loader.File
	err error
}

func (m *metadata) fail(key, format string, args ...any) {
	if m.err == nil {
		m.err = m.f.Errorf(key, format, args...)
	}
}

func (m *metadata) str(key, absent string) string {
	v, ok := m.f.Get(key)
	if !ok {
		return absent
	}
	s, ok := v.Str()
	if !ok {
		m.fail(key, "is of type %s, not string", v.Type)
	}
	return s
}

func (m *metadata) flag(name string, absent bool) bool {
	v, ok := m.f.Get(prefix + name)
	if !ok {
		return absent
	}
	b, ok := v.Bool()
	if !ok {
		m.fail(prefix+name, "is of type %s, not bool", v.Type)
	}
	return b
}

// id reads a token id that matters: one out of range is refused. -1 in the file,
// signed or not, means that there is none; then, as without the key, the result
// is absent.
func (m *metadata) id(name string, absent int32) int32 {
	id, ok := m.readID(name, absent)
	if !ok {
		v, _ := m.f.Get(prefix + name)
		m.fail(prefix+name, "token id %v is outside the vocabulary of %d", v.Any(1), m.size())
	}
	return id
}

// spare reads a token id that generation can do without: files in use name a
// padding token just past the vocabulary, so one out of range counts as absent.
func (m *metadata) spare(name string, absent int32) int32 {
	id, _ := m.readID(name, absent)
	return id
}

func (m *metadata) readID(name string, absent int32) (id int32, ok bool) {
	v, ok := m.f.Get(prefix + name)
	if !ok {
		return absent, true
	}
	u, ok := v.Uint()
	if i, negative := v.Any(1).(int64); u == math.MaxUint32 || negative && i == -1 {
		return absent, true
	}
	if !ok || u >= uint64(m.size()) {
		return absent, false
	}
	return int32(u), true
}

// size returns the number of tokens.
func (m *metadata) size() int {
	v, _ := m.f.Get(prefix + "tokens")
	return v.Len
}

// strings reads an array of at most maxTokens strings; nil when absent.
func (m *metadata) strings(name string) []string {
	v, ok := m.f.Get(prefix + name)
	if !ok {
		return nil
	}
	if v.Len > maxTokens {
		m.fail(prefix+name, "%d entries; the most allowed is %d", v.Len, maxTokens)
		return nil
	}
	s, ok := v.Strings()
	if !ok {
		m.fail(prefix+name, "is not an array of strings")
	}
	return s
}

// types reads the kind of each token; without the key all are normal.
func (m *metadata) types() []attr {
	attrs := make([]attr, m.size())
	v, ok := m.f.Get(prefix + "token_type")
	if !ok {
		for i := range attrs {
			attrs[i] = attrNormal
		}
		return attrs
	}
	if v.Len != len(attrs) {
		m.fail(prefix+"token_type", "%d entries for %d tokens", v.Len, len(attrs))
		return attrs
	}
	types, ok := v.Uints()
	if !ok {
		m.fail(prefix+"token_type", "is not an array of integers from 0 up")
		return attrs
	}
	for i, u := range types {
		attrs[i] = attrOf[u]
	}
	return attrs
}

// scores reads the score of each token; without the key all are zero.
func (m *metadata) scores() []float64 {
	scores := make([]float64, m.size())
	v, ok := m.f.Get(prefix + "scores")
	if !ok {
		return scores
	}
	if v.Len != len(scores) {
		m.fail(prefix+"scores", "%d entries for %d tokens", v.Len, len(scores))
		return scores
	}
	scores, ok = v.Floats()
	if !ok {
		m.fail(prefix+"scores", "is not an array of floats")
	}
	for i, s := range scores {
		if math.IsNaN(s) {
			m.fail(prefix+"scores", "score %d is NaN", i)
			break
		}
	}
	return scores
}
