package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// typed is a terminal whose keyboard is a pipe.
type typed struct {
	*Terminal
	screen *screen
	keys   *io.PipeWriter
}

func newTyped(t *testing.T, columns, rows int) *typed {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	s := newScreen(columns, rows)
	x := &typed{newTerminal(ctx, r, s, func() (int, int) { return s.columns, s.rows }), s, w}
	t.Cleanup(func() {
		cancel()
		w.Close()
		if len(s.unknown) > 0 {
			t.Errorf("the screen was sent %q", s.unknown)
		}
	})
	return x
}

// read types keys, in pieces, and reads a message.
func (x *typed) read(prompt, keys string) (Message, error) {
	x.types(keys, false)
	return x.Read(prompt, "")
}

// types types keys; last: there are no others.
func (x *typed) types(keys string, last bool) {
	go func() {
		for len(keys) > 0 {
			n := min(len(keys), 7)
			x.keys.Write([]byte(keys[:n]))
			keys = keys[n:]
		}
		if last {
			x.keys.Close()
		}
	}()
}

const paste, endPaste = "\x1b[200~", "\x1b[201~"

func TestRead(t *testing.T) {
	lines := strings.Repeat("a line\tof it\r", 99) + "the last"
	for _, c := range []struct{ keys, want string }{
		{"hello\r", "hello"},
		{"hello\n", "hello"},
		{"helo\x1b[Dl\r", "hello"},
		{"你好吗\x1b[D\x7f们\r", "你们吗"},
		{"e\u0301x\x1b[D\x7f\r", "x"}, // an accent goes with its letter
		{"👩‍👩‍👧‍👦🇫🇷\x7f!\r", "👩‍👩‍👧‍👦!"},                // so does a family, and a flag is two code points
		{"one two three\x17\x17TWO\x01>\r", ">one TWO"}, // ^W twice, ^A
		{"one two\x1bb\x0b2\x05!\r", "one 2!"},          // Alt-B, ^K, ^E
		{"abc\x1b[1;5D\x04X\r", "Xbc"},                  // Ctrl-left, ^D
		{"abc\x15d\x1b[3~\x1b[H\x1b[3~e\r", "e"},        // ^U, delete, home
		{"a\x1b\rb\r", "a\nb"},                          // Alt-Enter
		{"one\\\rtwo\r", "one\ntwo"},                    // a backslash
		{`"""` + "\rone\r\"two\"\r" + `"""` + "\r", "one\n\"two\""},
		{`/system """` + "\rone\\\rtwo" + `"""` + "\r", "/system one\\\ntwo"},
		{"see: " + paste + lines + endPaste + "!\r", "see: " + strings.ReplaceAll(lines, "\r", "\n") + "!"},
		{paste + "one\ntwo \\" + endPaste + "\r", "one\ntwo \\"}, // no backslash of the user's
		{paste + `"""doc` + "\nx = 1" + endPaste + "\r", "\"\"\"doc\nx = 1"},
		{paste + "a\x1b[31m\x03b\xff" + endPaste + "\r", "a\x1b[31m\x03b\ufffd"},
		{"a\x1b[99;99Xb\x1bOPc\x1b[Z\x00\x1c\r", "abc"}, // keys that nobody knows
		{"\tx\r", "\tx"},
		{"ab\xffc\r", "ab\ufffdc"},
		{"one\\\rtwo\x1b[A\x1b[AX\x1b[B\x1b[BY\r", "oneX\ntwoY"}, // up and down within
	} {
		for _, columns := range []int{80, 11} {
			x := newTyped(t, columns, 24)
			x.types(c.keys, true)
			got, err := x.Read("> ", "")
			if err != nil || got.Text != c.want {
				t.Errorf("%d columns, %q: %q, %v; want %q", columns, c.keys, got.Text, err, c.want)
			}
		}
	}
}

// TestScreen: what is typed shows as it should, and the cursor is where it is typed.
func TestScreen(t *testing.T) {
	x := newTyped(t, 20, 6)
	for _, c := range []struct{ keys, want string }{
		{"hello\r", "> hello"},
		{"你好吗，朋友们，今天怎么样\r", "> 你好吗，朋友们，今\n天怎么样"},
		{"12345678901234567\x1b[Dx\x1b[D\x1b[D\x7f\r", "> 123456789012346x7"},
		{"abc\x1b\rdef\r", "> abc\n  def"},
		{"a\tb\x1b[H" + paste + "\x1b[2J" + endPaste + "\r", `> \x1b[2Ja    b`},
		{"123456789012345678\r", "> 123456789012345678"}, // a full row
	} {
		x.screen.cells, x.screen.r, x.screen.c = newScreen(20, 6).cells, 0, 0
		if _, err := x.read("> ", c.keys); err != nil {
			t.Fatal(err)
		}
		if got := x.screen.text(); got != c.want {
			t.Errorf("%q shows\n%s\nwant\n%s", c.keys, got, c.want)
		}
		if want := strings.Count(c.want, "\n") + 1; x.screen.c != 0 || x.screen.r < want {
			t.Errorf("%q: the next line begins at %d, %d", c.keys, x.screen.r, x.screen.c)
		}
	}
}

// TestDrawn: after any keys the screen shows the text as it would be shown alone, on any
// screen, also one whose width changes meanwhile.
func TestDrawn(t *testing.T) {
	keys := []key{{kind: char, text: "a"}, {kind: char, text: "word "}, {kind: char, text: "语"}, {kind: char, text: "👩‍👩‍👧"}, {kind: newline}, {kind: pasted, text: "x\n\ty\nz"},
		{kind: left}, {kind: left}, {kind: right}, {kind: up}, {kind: down}, {kind: home}, {kind: end}, {kind: backspace}, {kind: removeWord}, {kind: remove}, {kind: wordLeft}}
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		columns, rows := 10+random.IntN(30), 3+random.IntN(12)
		x := newTyped(t, columns, rows)
		x.prompt = "> "
		for i := range 80 {
			k := keys[random.IntN(len(keys))]
			x.press(k)
			if random.IntN(20) == 0 && len(x.drawn.rows) < rows { // else the beginning is gone above
				columns = 10 + random.IntN(30)
				x.screen.resize(columns)
			}
			x.draw()
			want := lay("> ", x.buf.text, x.buf.pos, columns)
			var shown []string
			for _, r := range want.rows[x.top:x.bottom] {
				shown = append(shown, strings.TrimRight(r.text, " "))
			}
			got := x.screen.text()
			if text := strings.TrimRight(strings.Join(shown, "\n"), "\n"); !strings.HasSuffix("\n"+got, "\n"+text) && len(want.rows) < rows {
				t.Fatalf("seed %d, key %d (%v), %d × %d: shows\n%s\nwant\n%s", seed, i, k, columns, rows, got, text)
			}
			if x.screen.c != min(want.column, columns-1) {
				t.Fatalf("seed %d, key %d (%v): the cursor is in column %d, not %d", seed, i, k, x.screen.c, want.column)
			}
		}
	}
}

// TestLeave: Ctrl-C ends a message, twice in a row all of them; Ctrl-D on an empty line
// too, and the end of the keyboard.
func TestLeave(t *testing.T) {
	x := newTyped(t, 80, 24)
	expect := func(keys string, want ...error) {
		t.Helper()
		go x.keys.Write([]byte(keys))
		for _, w := range want {
			if m, err := x.Read("> ", ""); !errors.Is(err, w) && !(err == nil && w == nil) {
				t.Fatalf("%q: %v, %v; want %v", keys, m, err, w)
			}
		}
	}
	expect("abc\x03", ErrInterrupted)
	expect("abc\r", nil)
	expect("\x03", ErrInterrupted)
	expect("\x03", io.EOF)
	expect("x\r", nil)
	expect("x\x01\x04\x04", io.EOF)
	if got := x.screen.text(); !strings.HasPrefix(got, "> abc^C\n> abc\n> ^C\n> ^C\n> x") {
		t.Errorf("the screen:\n%s", got)
	}
	x.keys.Close()
	if _, err := x.Read("> ", ""); err != io.EOF {
		t.Error(err)
	}
}

// TestWatch: Ctrl-C is told while nobody reads; what else is typed waits.
func TestWatch(t *testing.T) {
	x := newTyped(t, 80, 24)
	told := make(chan int)
	stop := x.Watch(func(times int) { told <- times })
	go x.keys.Write([]byte("next ques\x03tion\x03\x03"))
	for i, want := range []int{1, 2, 3} {
		if got := <-told; got != want {
			t.Errorf("Ctrl-C number %d is told as %d", i+1, got)
		}
	}
	stop()
	go x.keys.Write([]byte("?\r"))
	if m, err := x.Read("> ", ""); err != nil || m.Text != "next question?" {
		t.Errorf("%v, %v", m, err)
	}
}

// TestHistory: earlier messages come back, and the one that was begun.
func TestHistory(t *testing.T) {
	x := newTyped(t, 80, 24)
	x.Remember("zero", "", "zero")
	x.read("> ", "one\r")
	x.read("> ", paste+"two\nlines"+endPaste+"\r")
	for _, c := range []struct{ keys, want string }{
		{"new\x10\x10\x0e\x0e!\r", "new!"}, {"\x1b[A\x1b[A\x1b[A\x1b[A\r", "one"}, {"\x10\x10\x10\x10\x10\x10\x10\r", "zero"},
	} {
		if m, err := x.read("> ", c.keys); err != nil || m.Text != c.want {
			t.Errorf("%q: %q, %v; want %q", c.keys, m.Text, err, c.want)
		}
	}
	x.Complete = func(s string) (all []string) {
		for _, c := range []string{"/save ", "/set ", "/system "} {
			if strings.HasPrefix(c, s) {
				all = append(all, c)
			}
		}
		return all
	}
	for keys, want := range map[string]string{"/\t\tx\r": "/sx", "/sa\tf\r": "/save f", "/q\t\r": "/q\t"} {
		if m, _ := x.read("> ", keys); m.Text != want {
			t.Errorf("%q: %q, want %q", keys, m.Text, want)
		}
	}
}

// TestGiven: a message can be given to be edited; many lines of it are one message.
func TestGiven(t *testing.T) {
	x := newTyped(t, 80, 24)
	go x.keys.Write([]byte("!\x1b[H?\r"))
	if m, err := x.Read("> ", "one\ntwo"); err != nil || m.Text != "one\n?two!" || !m.Raw {
		t.Errorf("%v, %v", m, err)
	}
}

// TestTooLong: a paste without an end is dropped, not kept.
func TestTooLong(t *testing.T) {
	x := newTyped(t, 80, 24)
	go func() {
		io.WriteString(x.keys, paste)
		for range maxPaste>>20 + 1 {
			x.keys.Write(make([]byte, 1<<20))
		}
		io.WriteString(x.keys, endPaste+"ok\r")
	}()
	if _, err := x.Read("> ", ""); err != ErrTooLong {
		t.Error(err)
	}
	if m, err := x.Read("> ", ""); err != nil || m.Text != "ok" {
		t.Error(m, err)
	}
}

func TestPlain(t *testing.T) {
	in := "one\r\ntwo \\\nlines\n\"\"\"\na\nb\\\n\"\"\"\n\n/help\nlast \\"
	p := NewPlain(strings.NewReader(in), nil)
	for _, want := range []string{"one", "two \nlines", "a\nb\\", "", "/help", "last "} {
		if m, err := p.Read("> ", ""); err != nil || m.Text != want {
			t.Errorf("%q, %v; want %q", m.Text, err, want)
		}
	}
	if _, err := p.Read("> ", ""); err != io.EOF {
		t.Error(err)
	}
	endless := NewPlain(&repeat{"xxxxxxxx"}, nil)
	if _, err := endless.Read("", ""); err != ErrTooLong {
		t.Error(err)
	}
}

type repeat struct{ s string }

func (r *repeat) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = r.s[i%len(r.s)]
	}
	return len(b), nil
}

// FuzzKeys: any bytes in any pieces are the same keys, and none ends the program.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("a\x1b[200~b\x1b[201~\x1b[A\r"), uint64(3))
	f.Fuzz(func(t *testing.T, b []byte, cuts uint64) {
		var whole, pieces []key
		tell := func(to *[]key) func(key) {
			return func(k key) {
				if n := len(*to); n > 0 && k.kind == char && (*to)[n-1].kind == char {
					(*to)[n-1].text += k.text
				} else {
					*to = append(*to, k)
				}
			}
		}
		var d, e decoder
		d.feed(b, tell(&whole))
		for i, rest := 0, b; len(rest) > 0; i++ {
			n := min(len(rest), 1+int(cuts>>(i%21*3)&7))
			e.feed(rest[:n], tell(&pieces))
			rest = rest[n:]
		}
		if fmt.Sprint(whole) != fmt.Sprint(pieces) {
			t.Errorf("%q: %v, in pieces %v", b, whole, pieces)
		}
		x := &Terminal{out: newScreen(12, 4), size: func() (int, int) { return 12, 4 }}
		for _, k := range whole {
			x.press(k)
			x.draw()
			if x.buf.pos < 0 || x.buf.pos > len(x.buf.text) {
				t.Fatalf("%q: at %d of %q", b, x.buf.pos, x.buf.text)
			}
		}
	})
}
