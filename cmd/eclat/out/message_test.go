package out

import (
	"io"
	"os"
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
		Notice("first\x1b[2J\nline")
		Noticef("a number: %d", 7)
		Notice("first\x1b[2J\nline")
		Notice(strings.Repeat("é", 1000))
		Notice(strings.Repeat("é", 1001))
	})
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != 3 || lines[0] != `first\x1b[2J\nline` || lines[1] != "a number: 7" || utf8.RuneCountInString(lines[2]) != maxNotice || !strings.HasSuffix(lines[2], "é…") {
		t.Errorf("%q", lines)
	}
	if got := told(t, func() { Error("bad\r\n\u202e" + strings.Repeat("x", 1<<20)) }); !strings.HasPrefix(got, `eclat: bad\r\n\u202exx`) || utf8.RuneCountInString(got) != len("eclat: ")+maxError+1 {
		t.Errorf("%d characters, %.100q", utf8.RuneCountInString(got), got)
	}
}
