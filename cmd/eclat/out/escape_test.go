package out

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// hostile is text that would command a terminal or deceive its reader.
const hostile = "a\x1b[2J\r\n\t\u009b31m\u202edcba\u2066\u200b\ufeff\x00\x7f\xff"

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"plain, é, 漢字, \\n, 🙂":               "plain, é, 漢字, \\n, 🙂",
		hostile:                              `a\x1b[2J\r\n\t\u009b31m\u202edcba\u2066\u200b\ufeff\x00\x7f\xff`,
		"\u061c\u00ad\u2028\U000e0041\u3164": `\u061c\u00ad\u2028\U000e0041\u3164`,
		"\ufffd":                             "\ufffd", // the character, not a bad byte
	} {
		if got := Escape(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// TestScreen: prose keeps its lines and joiners, and commands nothing.
func TestScreen(t *testing.T) {
	const prose = "one\n\ttwo نمی\u200cخواهم 👩\u200d🔬"
	if got := Screen(prose); got != prose {
		t.Errorf("%q", got)
	}
	if got, want := Screen("\x1b]0;title\x07\r\u009b\u202e\u2066\x9b"), `\x1b]0;title\a\r\u009b\u202e\u2066\x9b`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

type stringer struct{}

func (stringer) String() string { return hostile }

// TestFprintf: whatever the verb and the type, an argument is escaped once.
func TestFprintf(t *testing.T) {
	for _, c := range []struct {
		got, want string
	}{
		{Sprintf("%s|%v|%v", "\x1b", errors.New("\x1b"), stringer{}), `\x1b|\x1b|` + Escape(hostile)},
		{Sprintf("%v", []string{"\x1b", "b"}), `[\x1b b]`},
		{Sprintf("%q %.2q", "\x1b", "abc"), `"\x1b" "ab"`},
		{Sprintf("%5s|%-5s|%.2s|%5.1f|%03d", "ab", "ab", "abc", 1.25, 7), "   ab|ab   |ab|  1.2|007"},
		{Sprintf("%s", Paint(true, Red, "a\x1b")), "\x1b[31ma\\x1b\x1b[0m"},
		{Sprintf("%v %v %x", nil, true, "az"), "<nil> true 617a"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// TestJSON: what is hidden is spelt out, and still means the same.
func TestJSON(t *testing.T) {
	in := map[string]string{strings.ToValidUTF8(hostile, "") + "\U000e0041": "\u2028é"}
	for _, indent := range []bool{false, true} {
		var b bytes.Buffer
		if err := JSON(&b, in, indent); err != nil {
			t.Fatal(err)
		}
		if s := strings.ReplaceAll(b.String(), "\n", ""); Escape(s) != s {
			t.Errorf("%q", s)
		}
		var back map[string]string
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || fmt.Sprint(back) != fmt.Sprint(in) {
			t.Errorf("%q came back as %q: %v", in, back, err)
		}
	}
}

// TestWriterKeepsItsError: a full disk is found out at the end, whoever wrote.
func TestWriterKeepsItsError(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no full disk to write to:", err)
	}
	defer f.Close()
	w := NewWriter(f)
	w.Printf("%s\n", "words") // into the buffer
	var full *WriteError
	for range 2 {
		if err := w.Flush(); !errors.As(err, &full) || !errors.Is(err, syscall.ENOSPC) || err.Error() != "write the output: no space left on device" {
			t.Errorf("%v", err)
		}
	}
	if _, err := w.Write([]byte("more")); err != full || !w.Any() || Closed(err) {
		t.Errorf("%v", err)
	}
	if !Closed(&WriteError{&os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}}) {
		t.Error("a pipe without a reader is not known as one")
	}
}

func TestTableEscapes(t *testing.T) {
	tab := NewTable("<name", "n")
	tab.Add(hostile, "1")
	tab.Add("b", "2")
	for _, colour := range []bool{false, true} {
		for _, write := range []func(*strings.Builder){
			func(b *strings.Builder) { tab.Text(b, colour) }, func(b *strings.Builder) { tab.Markdown(b, colour) },
		} {
			var b strings.Builder
			write(&b)
			for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
				line = strings.NewReplacer("\x1b[1m", "", "\x1b[0m", "").Replace(line)
				if Escape(line) != line {
					t.Errorf("%q", line)
				}
			}
			if strings.Count(b.String(), "\n") > 4 {
				t.Errorf("%q", b.String())
			}
		}
	}
}
