package stop

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"eclat/model/tokenizer"
)

// first looks for the first stop string to be complete in all of a text, by trying each
// place.
func first(text []byte, stops []string) (before string, which int) {
	for end := range len(text) + 1 {
		which = -1
		for i, s := range stops {
			if bytes.HasSuffix(text[:end], []byte(s)) && (which < 0 || len(s) > len(stops[which])) {
				which = i
			}
		}
		if which >= 0 {
			before, _ = tokenizer.Characters(text[:end-len(stops[which])], true)
			return before, which
		}
	}
	before, _ = tokenizer.Characters(text, true)
	return before, -1
}

// fed feeds a text in pieces of n bytes.
func fed(t *testing.T, text []byte, stops []string, n int) (out string, which int) {
	t.Helper()
	m, err := New(stops...)
	if err != nil {
		t.Fatal(err)
	}
	for len(text) > 0 {
		piece := text[:min(n, len(text))]
		text = text[len(piece):]
		before, which, rest := m.Next(piece)
		if out += before; !utf8.ValidString(before) {
			t.Fatalf("%q is not UTF-8", before)
		}
		if which >= 0 {
			if !bytes.HasSuffix(piece, rest) {
				t.Fatalf("the rest of %q is %q", piece, rest)
			}
			return out, which
		}
	}
	return out + m.Flush(), -1
}

func TestStops(t *testing.T) {
	for _, c := range []struct {
		text  string
		stops []string
		want  string
		which int
	}{
		{"one two three", []string{"two"}, "one ", 0},
		{"one two three", []string{"four"}, "one two three", -1},
		{"one two three", nil, "one two three", -1},
		{"ababac", []string{"abac"}, "ab", 0},
		{"aaaaab", []string{"aab"}, "aaa", 0},
		{"xabcy", []string{"c", "abc", "bc"}, "x", 1}, // they end together: the longest
		{"xabcy", []string{"abcy", "b"}, "xa", 1},     // the first to be complete
		{"stop", []string{"stop"}, "", 0},
		{"sto", []string{"stop"}, "sto", -1},
		{"né é", []string{"é"}, "n", 0},
		{"日本語", []string{"本"}, "日", 0},
		{"日\xe6\x9c", []string{"本"}, "日\ufffd", -1},
		{"a\xffb\xe6\x9cX", []string{"X"}, "a\ufffdb\ufffd", 0},
		{"line\r\nline", []string{"\n"}, "line\r", 0},
		{"🙂🙂", []string{"🙃"}, "🙂🙂", -1},
	} {
		for n := 1; n <= len(c.text)+1; n++ {
			if got, which := fed(t, []byte(c.text), c.stops, n); got != c.want || which != c.which {
				t.Errorf("%q, stops %q, pieces of %d: %q, %d; want %q, %d", c.text, c.stops, n, got, which, c.want, c.which)
			}
		}
	}
}

// TestHolds: only what may be the beginning of a stop string or of a character waits.
func TestHolds(t *testing.T) {
	m, err := New("\n\nUser:", "</s>")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ piece, text string }{
		{"Hello", "Hello"}, {"\n", ""}, {"\n", ""}, {"\n", "\n"}, {"Us", ""}, {"ual <", "\n\nUsual "}, {"/", ""}, {"b>\xf0\x9f", "</b>"}, {"\x99\x82", "🙂"},
	} {
		if text, which, _ := m.Next([]byte(c.piece)); text != c.text || which != -1 {
			t.Errorf("%q: %q, want %q", c.piece, text, c.text)
		}
	}
	text, which, rest := m.Next([]byte("bye</s>more"))
	if text != "bye" || which != 1 || string(rest) != "more" {
		t.Errorf("%q, %d, %q", text, which, rest)
	}
	if text, which, _ := m.Next(rest); text != "more" || which != -1 || m.Flush() != "" {
		t.Errorf("after a stop: %q, %d", text, which)
	}
}

func TestHostileStops(t *testing.T) {
	for _, texts := range [][]string{{""}, {"a", ""}, {strings.Repeat("x", maxLen+1)}, make([]string, maxStrings+1), {"\xff"}, {"\x1b[2J\xc3"}} {
		if m, err := New(texts...); m != nil || err == nil || len(err.Error()) > 120 || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%.50q: %v", texts, err)
		}
	}
	// Pieces of a text that is all beginnings cost no more for being many.
	m, err := New(strings.Repeat("a", maxLen-1)+"b", strings.Repeat("a", maxLen))
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxLen {
		if _, which, _ := m.Next([]byte("a")); which >= 0 != (i == maxLen-1) {
			t.Fatalf("after %d bytes: %d", i+1, which)
		}
	}
	n := testing.AllocsPerRun(20, func() {
		m.Next([]byte("aaaa"))
		m.reset()
	})
	if n != 0 {
		t.Errorf("holding back allocates %v times", n)
	}
}

// FuzzStops: any pieces of the same bytes give the same text, and it is what trying each
// place gives.
func FuzzStops(f *testing.F) {
	f.Add([]byte("abababc"), "abc\x00bab", uint64(5))
	f.Add([]byte("\xe6\x97\xa5\xe6\x9c"), "\xe6\x9c\xac", uint64(1))
	f.Fuzz(func(t *testing.T, text []byte, stops string, cuts uint64) {
		texts := slices.DeleteFunc(strings.Split(stops, "\x00"), func(s string) bool { return s == "" })
		m, err := New(texts...)
		if err != nil || len(text) > 2000 {
			return
		}
		want, which := first(text, texts)
		got, found := "", -1
		for b, i := text, 0; len(b) > 0 && found < 0; i++ {
			n := min(len(b), 1+int(cuts>>(i%21*3)&7))
			before, at, _ := m.Next(b[:n])
			got, found, b = got+before, at, b[n:]
		}
		if found < 0 {
			got += m.Flush()
		}
		if got != want || found != which {
			t.Errorf("%q, stops %q: %q, %d; want %q, %d", text, texts, got, found, want, which)
		}
	})
}
