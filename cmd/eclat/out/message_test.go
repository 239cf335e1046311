package out

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// told is what f writes to stderr.
func told(t *testing.T, f func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stderr
	os.Stderr = w
	defer func() { os.Stderr = old }()
	f()
	w.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNotices: a notice is one line, said once, no longer than anybody reads.
func TestNotices(t *testing.T) {
	got := told(t, func() {
		Notice("first\x1b[2J\n  of two lines\n")
		Noticef("a number: %d", 7)
		Notice("first\x1b[2J\n  of two lines\n")
		Noticef("a number: %d", 7)
		Notice(strings.Repeat("é", 1000))
		Noticef("named %s", "a\nb")
	})
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if want := []string{`first\x1b[2J`, "  of two lines", "a number: 7", strings.Repeat("é", maxLine/3) + "…" + strings.Repeat("é", maxLine-maxLine/3-1), `named a\nb`}; !slices.Equal(lines, want) {
		t.Errorf("%q", lines)
	}
	if got := told(t, func() { Notice(strings.Repeat("\nmore", 1000)) }); strings.Count(got, "\n") != maxLines {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
	for _, c := range []struct{ text, begin, end string }{
		{"bad\r\n\u202e" + strings.Repeat("x", 1<<20), `eclat: bad\r\n\u202exx`, "xx\n"},
		{"open /" + strings.Repeat("long/", 100) + "m.gguf: no such file", "eclat: open /long/long/", "long/m.gguf: no such file\n"},
		{strings.Repeat("/a/b/c/d/e/f/g/h/i", 50) + " and " + strings.Repeat("/a/b/c", 50) + " are the same file", "eclat: /a/b/c/", " are the same file\n"},
		{strings.Repeat("many words ", 100) + "in the end", "eclat: many words ", " in the end\n"},
	} {
		got := told(t, func() { Error(c.text) })
		if n := utf8.RuneCountInString(got); n > maxLine+1 || n < maxLine/2 || !strings.HasPrefix(got, c.begin) || !strings.HasSuffix(got, c.end) || !strings.Contains(got, "…") || strings.Count(got, "\n") != 1 {
			t.Errorf("%d characters, %q; want %q … %q", n, got, c.begin, c.end)
		}
	}
	if got := told(t, func() { Messagef("\na %s\n%s b\n", strings.Repeat("x", 1000), strings.Repeat("y", 1000)) }); strings.Count(got, "\n") != 3 ||
		!strings.HasPrefix(got, "\na xx") || !strings.HasSuffix(got, "yy b\n") || utf8.RuneCountInString(got) != 2*maxLine+3 {
		t.Errorf("%q", got)
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"short", 5, "short"}, {"", 3, ""}, {"0123456789", 9, "012…56789"},
		{"a " + strings.Repeat("é", 40) + " b", 34, "a " + strings.Repeat("é", 10) + "…" + strings.Repeat("é", 19) + " b"},
		{"one two three", 10, "one… three"}, {"   ", 1, "…"},
	} {
		if got := Shorten(c.text, c.n); got != c.want || utf8.RuneCountInString(got) > c.n {
			t.Errorf("%q in %d: %q, want %q", c.text, c.n, got, c.want)
		}
	}
}
