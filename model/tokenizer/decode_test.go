package tokenizer

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// decode returns the text of ids from a Decoder, and checks that each part of it
// is UTF-8.
func decode(t testing.TB, tok *Tokenizer, ids []int32, special bool) string {
	t.Helper()
	var b strings.Builder
	d := tok.NewDecoder(special)
	for _, id := range ids {
		part := d.Next(id)
		if !utf8.ValidString(part) {
			t.Errorf("part of a character: %q", part)
		}
		b.WriteString(part)
	}
	b.WriteString(d.Flush())
	return b.String()
}

// decodes checks that the ids of a text give the text, if it is UTF-8.
func decodes(t testing.TB, tok *Tokenizer, text string) {
	t.Helper()
	for _, special := range []bool{false, true} {
		ids := tok.Encode(nil, text, special)
		for _, id := range ids {
			if !tok.valid(id) {
				t.Fatalf("%q gives id %d of %d", text, id, tok.Size())
			}
		}
		got := decode(t, tok, ids, true)
		if !utf8.ValidString(got) {
			t.Errorf("%q decodes to %q", text, got)
		}
	}
}

func TestDecodeEncode(t *testing.T) {
	for _, pre := range []string{"tekken", "gpt-2", "deepseek-v3", "default"} {
		// bpe.gguf has no token for byte 7F.
		tok := with(t, "bpe.gguf", map[string]any{"pre": pre})
		for _, text := range goldenTexts(t) {
			want := strings.ReplaceAll(text, "\x7f", "")
			if got := decode(t, tok, tok.Encode(nil, text, true), true); utf8.ValidString(text) && got != want {
				t.Errorf("%s: got %q\nwant %q", pre, got, want)
			}
		}
	}
	spm := with(t, "spm.gguf", nil)
	for _, text := range goldenTexts(t) {
		if !utf8.ValidString(text) || strings.Contains(text, escapedSpace) || strings.Contains(text, "keep this") {
			continue // a space goes after a user-defined token, too
		}
		if got := decode(t, spm, spm.Encode(nil, text, false), true); got != text {
			t.Errorf("got %q\nwant %q", got, text)
		}
	}
}

func TestDecoderHoldsBack(t *testing.T) {
	tok := with(t, "bpe.gguf", nil)
	bytes := func(s string) []int32 {
		var ids []int32
		for _, b := range []byte(s) {
			ids = append(ids, tok.ids[string([]byte{b})])
		}
		return ids
	}
	for _, c := range []struct {
		bytes string
		want  []string // of each byte, and at the end
	}{
		{"a€b", []string{"a", "", "", "€", "b", ""}},
		{"👍", []string{"", "", "", "👍", ""}},
		{"\xe2\x82", []string{"", "", "\ufffd"}},
		{"\xe2\x82a", []string{"", "", "\ufffda", ""}},
		{"\xe2a", []string{"", "\ufffda", ""}},
		{"\xf0\x9f\x91\xe2\x82\xac", []string{"", "", "", "\ufffd", "", "€", ""}},
		{"\xff\xfe", []string{"\ufffd", "\ufffd", ""}},
		{"\x80a", []string{"\ufffd", "a", ""}},
		{"\xc0\x80", []string{"\ufffd", "\ufffd", ""}},
		{"\xed\xa0\x80", []string{"", "\ufffd\ufffd", "\ufffd", ""}}, // a surrogate
		{"\xf4\x90\x80", []string{"", "\ufffd\ufffd", "\ufffd", ""}}, // beyond U+10FFFF
	} {
		d := tok.NewDecoder(false)
		var got []string
		for _, id := range bytes(c.bytes) {
			got = append(got, d.Next(id))
		}
		got = append(got, d.Flush())
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%q: got %q, want %q", c.bytes, got, c.want)
		}
	}
}

func TestDecoderSpecial(t *testing.T) {
	tok := with(t, "bpe.gguf", nil)
	ids := tok.Encode(nil, "<s>[INST]a[/INST]é</s>", true)
	if got, want := decode(t, tok, ids, false), "aé"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := decode(t, tok, ids, true), "<s>[INST]a[/INST]é</s>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDecoderLeadingSpace holds the rule of llama.cpp: the space that goes
// before a text is taken off the first token, whatever that is, and no other.
func TestDecoderLeadingSpace(t *testing.T) {
	id := func(tok *Tokenizer, text string) int32 {
		id, ok := tok.ID(text)
		if !ok {
			t.Fatalf("no token %q", text)
		}
		return id
	}
	for _, c := range []struct {
		prefix  bool
		tokens  []string
		special bool
		want    string
	}{
		{true, []string{"▁the", "▁the"}, false, "the the"},
		{false, []string{"▁the", "▁the"}, false, " the the"},
		{true, []string{"▁▁", "the"}, false, " the"},
		{true, []string{"<s>", "▁the"}, false, " the"},
		{true, []string{"<s>", "▁the"}, true, "<s> the"},
		{true, []string{"<0x20>", "<0x41>"}, false, "A"},
		{true, []string{"<0xE2>", "<0x82>", "<0xAC>"}, false, "€"},
		{true, []string{"keep this", "▁the"}, false, "keep this the"},
	} {
		tok := with(t, "spm.gguf", map[string]any{"add_space_prefix": c.prefix})
		var ids []int32
		for _, text := range c.tokens {
			ids = append(ids, id(tok, text))
		}
		if got := decode(t, tok, ids, c.special); got != c.want {
			t.Errorf("%q, prefix %v: got %q, want %q", c.tokens, c.prefix, got, c.want)
		}
	}
}
