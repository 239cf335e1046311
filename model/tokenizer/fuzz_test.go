package tokenizer

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzEncode holds that no text makes Encode panic or give ids outside the
// vocabulary, and that byte-level BPE and Gemma 4 lose nothing of valid UTF-8.
func FuzzEncode(f *testing.F) {
	for _, text := range goldenTexts(f) {
		f.Add([]byte(text))
	}
	exact := map[string]*Tokenizer{"gemma4": with(f, "gemma4.gguf", nil)}
	seen := map[string]bool{}
	for pre, p := range preTokenizers { // one of each group
		if group := fmt.Sprint(p); !seen[group] {
			seen[group] = true
			exact[pre] = with(f, "bpe.gguf", map[string]any{"pre": pre})
		}
	}
	spm := with(f, "spm.gguf", nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		text := string(data)
		decodes(t, spm, text)
		for pre, tok := range exact {
			decodes(t, tok, text)
			if !utf8.ValidString(text) || strings.Contains(text, "\x7f") { // the vocabularies have no 7F
				continue
			}
			got, want := decode(t, tok, tok.Encode(nil, text, false), true), text
			if pre == "gemma4" { // a space in what is no token comes back as the bytes of ▁
				got, want = strings.ReplaceAll(got, escapedSpace, " "), strings.ReplaceAll(want, escapedSpace, " ")
			}
			if got != want {
				t.Errorf("%s: %q decodes to %q", pre, text, got)
			}
		}
	})
}
