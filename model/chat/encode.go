package chat

import (
	"eclat/model/chat/jinja"
	"eclat/model/tokenizer"
)

// Encode appends the ids of a rendered text to dst. Control tokens are read in what
// the template wrote, never in or across what is tainted. BOS stands first once where
// the model wants it or the template wrote it, and never twice.
func Encode(dst []int32, t *tokenizer.Tokenizer, text jinja.Text) []int32 {
	at := len(dst)
	bos, ok := t.BOS()
	if ok && t.AddBOS() {
		dst = append(dst, bos)
	}
	begin := len(dst)
	dst = EncodeMore(dst, t, text)
	for ok && len(dst) > begin && dst[begin] == bos && (begin > at || len(dst) > begin+1 && dst[begin+1] == bos) {
		dst = append(dst[:begin], dst[begin+1:]...)
	}
	return dst
}

// EncodeMore is Encode for a text that goes on with what dst holds: no BOS is added.
func EncodeMore(dst []int32, t *tokenizer.Tokenizer, text jinja.Text) []int32 {
	plain := make([]tokenizer.Range, len(text.Tainted))
	for i, s := range text.Tainted {
		plain[i] = tokenizer.Range(s)
	}
	return t.EncodeMarked(dst, text.String, plain)
}
