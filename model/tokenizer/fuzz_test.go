package tokenizer

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzEncode holds that no text makes Encode panic or give ids outside the
// vocabulary, and that byte-level BPE loses nothing of valid UTF-8.
func FuzzEncode(f *testing.F) {
	for _, text := range goldenTexts(f) {
		f.Add([]byte(text))
	}
	var bpe []*Tokenizer
	pres := []string{"tekken", "llama-bpe", "gpt-2", "gpt-4o", "qwen2", "qwen35", "deepseek-v3", "starcoder", "default"}
	for _, pre := range pres {
		bpe = append(bpe, with(f, "bpe.gguf", map[string]any{"pre": pre}))
	}
	spm := with(f, "spm.gguf", nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		text := string(data)
		decodes(t, spm, text)
		for i, tok := range bpe {
			decodes(t, tok, text)
			if !utf8.ValidString(text) || strings.Contains(text, "\x7f") { // the vocabulary has no 7F
				continue
			}
			if got := decode(t, tok, tok.Encode(nil, text, false), true); got != text {
				t.Errorf("%s: %q decodes to %q", pres[i], text, got)
			}
		}
	})
}
