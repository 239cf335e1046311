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
	if want := []string{`first\x1b[2J`, "  of two lines", "a number: 7", strings.Repeat("é", maxNotice-1) + "…", `named a\nb`}; !slices.Equal(lines, want) {
		t.Errorf("%q", lines)
	}
	if got := told(t, func() { Notice(strings.Repeat("\nmore", 1000)) }); strings.Count(got, "\n") != maxLines {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
	if got := told(t, func() { Error("bad\r\n\u202e" + strings.Repeat("x", 1<<20)) }); !strings.HasPrefix(got, `eclat: bad\r\n\u202exx`) || utf8.RuneCountInString(got) != len("eclat: ")+maxError+1 {
		t.Errorf("%d characters, %.100q", utf8.RuneCountInString(got), got)
	}
}
