package terminal

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"eclat/cmd/eclat/out"
)

// Bounds of what a Terminal keeps.
const (
	maxHistory = 1000
	maxAhead   = 32 << 20 // bytes typed or pasted while nobody reads
)

// Terminal is a keyboard and a screen.
type Terminal struct {
	Complete func(text string) []string // what a text of one line may go on as; nil: nothing

	out     io.Writer
	size    func() (columns, rows int)
	restore func() error
	stop    []func()

	bytes  chan []byte    // from the keyboard; closed at its end
	winch  chan os.Signal // the size has changed; nil: nobody tells
	ctx    context.Context
	dec    decoder
	queue  []key
	ahead  int // bytes of text in queue
	breaks int // Ctrl-C so many times, and nothing else since

	history []string
	at      int    // entry of history that is shown; len(history): none
	draft   string // what was typed before history was looked at

	// What Read shows:
	prompt string
	buf    buffer
	raw    bool // a paste of several lines is in it
	drawn  layout
	width  int // for which it was drawn; 0: it was not
	top    int // first row that is on the screen
	bottom int // row after the last that is
}

// Available reports whether in and w are a terminal that can be edited on.
func Available(in, w *os.File) bool {
	return out.IsTerminal(in) && out.IsTerminal(w) && os.Getenv("TERM") != "dumb"
}

// Open takes the terminal over until Close. Writes of others go to w too. When ctx ends,
// Read and Watch end.
func Open(ctx context.Context, in, file *os.File, w io.Writer) (*Terminal, error) {
	restore, err := raw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	t := newTerminal(ctx, in, w, func() (int, int) {
		c, r, err := term.GetSize(int(file.Fd()))
		if err != nil || c <= 0 || r <= 0 {
			return 80, 24
		}
		return c, r
	})
	var stop func()
	t.winch, stop = resized()
	t.restore = sync.OnceValue(func() error {
		io.WriteString(w, "\x1b[?2004l")
		return restore()
	})
	unhook := context.AfterFunc(ctx, func() { t.restore() }) // whoever uses the terminal then may come to it too late
	t.stop = []func(){stop, func() { unhook() }}
	io.WriteString(w, "\x1b[?2004h")
	return t, nil
}

func newTerminal(ctx context.Context, in io.Reader, w io.Writer, size func() (int, int)) *Terminal {
	t := &Terminal{out: w, size: size, ctx: ctx, bytes: make(chan []byte)}
	go func() {
		defer close(t.bytes)
		for {
			b := make([]byte, 4096)
			n, err := in.Read(b)
			if n > 0 {
				select {
				case t.bytes <- b[:n]:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return t
}

// Close gives the terminal back as it was.
func (t *Terminal) Close() error {
	for _, stop := range t.stop {
		stop()
	}
	if t.restore == nil {
		return nil
	}
	return t.restore()
}

// Width is how many columns the screen has.
func (t *Terminal) Width() int { c, _ := t.size(); return c }

// take puts a key that was read into the queue.
func (t *Terminal) take(k key) {
	if t.ahead += len(k.text); t.ahead > maxAhead {
		t.ahead -= len(k.text)
		k = key{kind: lost}
	}
	t.queue = append(t.queue, k)
}

// next waits for a key. It is false at the end of keys, or of ctx.
func (t *Terminal) next() (k key, ok bool) {
	for len(t.queue) == 0 {
		select {
		case b, ok := <-t.bytes:
			if !ok {
				return k, false
			}
			t.dec.feed(b, t.take)
		case <-t.winch:
			t.draw()
		case <-t.ctx.Done():
			return k, false
		}
	}
	k, t.queue = t.queue[0], t.queue[1:]
	t.ahead -= len(k.text)
	return k, true
}

// Watch calls interrupted for each Ctrl-C until the function it returns is called; how
// often it was pressed in a row is the argument. Other keys wait for Read.
func (t *Terminal) Watch(interrupted func(times int)) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	see := func(k key) {
		if k.kind != interrupt {
			t.take(k)
			return
		}
		t.breaks++
		interrupted(t.breaks)
	}
	var before []key
	before, t.queue, t.ahead = t.queue, nil, 0
	t.breaks = 0
	for _, k := range before {
		see(k)
	}
	go func() {
		defer close(ended)
		bytes := t.bytes
		for {
			select {
			case b, ok := <-bytes:
				if !ok {
					bytes = nil
					break
				}
				t.dec.feed(b, see)
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

// Read lets a message be typed, which begins as given. Its error is io.EOF where the user
// leaves (Ctrl-D on an empty line, Ctrl-C twice) or the keyboard is gone, and
// ErrInterrupted after one Ctrl-C.
func (t *Terminal) Read(prompt, given string) (Message, error) {
	t.prompt, t.width = prompt, 0
	t.buf, t.raw, t.at = buffer{given, len(given)}, strings.Contains(given, "\n"), len(t.history)
	t.draw()
	for {
		k, ok := t.next()
		if !ok {
			t.leave("")
			return Message{}, io.EOF
		}
		if k.kind != interrupt {
			t.breaks = 0
		}
		switch k.kind {
		case interrupt:
			t.breaks++
			t.leave("^C")
			if t.breaks > 1 {
				return Message{}, io.EOF
			}
			return Message{}, ErrInterrupted
		case endOfInput:
			if t.buf.text == "" {
				t.leave("")
				return Message{}, io.EOF
			}
		case enter:
			text, more := finish(t.buf.text)
			if t.raw {
				text, more = t.buf.text, false
			}
			if !more {
				m := Message{text, t.raw}
				t.leave("")
				t.remember(t.buf.text)
				return m, nil
			}
			t.buf = buffer{text, len(text)}
		case pasted:
			t.raw = t.raw || strings.Contains(k.text, "\n")
		case lost:
			t.leave("")
			return Message{}, ErrTooLong
		}
		t.press(k)
		if t.buf.text == "" {
			t.raw = false
		}
		if len(t.queue) == 0 { // else the next key is there already
			t.draw()
		}
	}
}

// Ask reads the answer to a question, which is not remembered.
func (t *Terminal) Ask(question string) (string, error) {
	before := len(t.history)
	m, err := t.Read(question, "")
	t.history = t.history[:min(before, len(t.history))]
	return m.Text, err
}

// press does what a key does to the text.
func (t *Terminal) press(k key) {
	if k.kind != enter && t.buf.apply(k) {
		return
	}
	switch k.kind {
	case up, down:
		t.draw()
		r := t.drawn.row - 1
		if k.kind == down {
			r += 2
		}
		if r >= 0 && r < len(t.drawn.rows) {
			t.buf.pos = t.drawn.at(&t.buf, r, t.drawn.column)
		} else if k.kind == up {
			t.recall(-1)
		} else {
			t.recall(1)
		}
	case older:
		t.recall(-1)
	case newer:
		t.recall(1)
	case clearScreen:
		io.WriteString(t.out, "\x1b[2J\x1b[H")
		t.width = 0
	case complete:
		t.complete()
	}
}

// remember puts a message into the history.
func (t *Terminal) remember(text string) {
	if strings.TrimSpace(text) == "" || len(t.history) > 0 && t.history[len(t.history)-1] == text {
		return
	}
	if t.history = append(t.history, text); len(t.history) > maxHistory {
		t.history = t.history[1:]
	}
}

// Remember puts messages of an earlier time into the history.
func (t *Terminal) Remember(texts ...string) {
	for _, text := range texts {
		t.remember(text)
	}
}

// recall shows an earlier or later message of the history.
func (t *Terminal) recall(step int) {
	to := t.at + step
	if to < 0 || to > len(t.history) {
		return
	}
	if t.at == len(t.history) {
		t.draft = t.buf.text
	}
	text := t.draft
	if t.at = to; to < len(t.history) {
		text = t.history[to]
	}
	t.buf = buffer{text, len(text)}
	t.raw = strings.Contains(text, "\n") && !quoted.MatchString(text)
}

// complete goes on with what may follow, as far as there is no choice.
func (t *Terminal) complete() {
	var all []string
	if t.Complete != nil && t.buf.pos == len(t.buf.text) && !strings.Contains(t.buf.text, "\n") {
		all = t.Complete(t.buf.text)
	}
	if len(all) == 0 {
		t.buf.insert("\t")
		return
	}
	common := all[0]
	for _, s := range all[1:] {
		for !strings.HasPrefix(s, common) {
			common = common[:len(common)-1]
		}
	}
	if len(common) > len(t.buf.text) {
		t.buf = buffer{common, len(common)}
	}
}
