package tokenizer

import "slices"

// Same reports whether both have the same tokens under the same ids and end a text with
// the same ones: whether ids of the one mean the same to the other.
func (t *Tokenizer) Same(o *Tokenizer) bool {
	if len(t.eog) != len(o.eog) || !slices.Equal(t.texts, o.texts) || !slices.Equal(t.pieces, o.pieces) || !slices.Equal(t.attrs, o.attrs) {
		return false
	}
	for id := range t.eog {
		if !o.eog[id] {
			return false
		}
	}
	return true
}
