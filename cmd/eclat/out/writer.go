package out

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"unicode/utf8"

	"golang.org/x/term"
)

// Writer is the program's stdout: buffered, and flushed at once on a terminal. Its
// first error is kept; every later Write and Flush returns it. Any goroutine may
// write.
type Writer struct {
	file   *os.File
	live   bool // a terminal
	closed bool // before the program began

	mu  sync.Mutex
	buf *bufio.Writer
	any bool // something was written
	err error
}

// NewWriter writes to f.
func NewWriter(f *os.File) *Writer {
	return &Writer{file: f, live: IsTerminal(f), closed: f == os.Stdout && closedAtStart(), buf: bufio.NewWriterSize(f, 1<<16)}
}

// WriteError says that an answer could not be written.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return "write the output: " + e.Err.Error() }

func (e *WriteError) Unwrap() error { return e.Err }

// Closed reports whether an answer was not written because its reader went away,
// as head does.
func Closed(err error) bool {
	var w *WriteError
	return errors.As(err, &w) && (errors.Is(err, syscall.EPIPE) || closedPipe(w.Err))
}

// Write implements io.Writer. Errors are *WriteError.
func (w *Writer) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.buf.Write(b)
	w.any = w.any || n > 0
	switch {
	case w.closed:
		err = syscall.EBADF
	case err == nil && w.live:
		err = w.buf.Flush()
	}
	return n, w.keep(err)
}

// Flush hands over what was written so far. Errors are *WriteError.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keep(w.buf.Flush())
}

func (w *Writer) keep(err error) error {
	if w.err == nil && err != nil {
		if p := (*fs.PathError)(nil); errors.As(err, &p) {
			err = p.Err
		}
		w.err = &WriteError{err}
	}
	return w.err
}

// Printf is Fprintf to w.
func (w *Writer) Printf(format string, args ...any) { Fprintf(w, format, args...) }

// Line writes an answer that scripts take as it is, such as a path: escaped on a
// terminal only.
func (w *Writer) Line(text string) {
	if w.live {
		text = Escape(text)
	}
	io.WriteString(w, text+"\n")
}

// Any reports whether anything was written.
func (w *Writer) Any() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.any
}

// Terminal reports whether people read what is written.
func (w *Writer) Terminal() bool { return w.live }

// Columns is how wide the terminal is; 80 where nobody knows.
func (w *Writer) Columns() int {
	if c, _, err := term.GetSize(int(w.file.Fd())); err == nil && c > 0 {
		return c
	}
	return 80
}

// Coloured reports whether colours may be written: to a terminal, unless the user
// has said no.
func (w *Writer) Coloured() bool { return Coloured(w.file) }

// File is what the writer writes to, for who takes a terminal over.
func (w *Writer) File() *os.File { return w.file }

// JSON writes v on a line of its own, or on several with indent. Characters that
// Escape would spell out are written as \uXXXX, which means the same in JSON.
func JSON(w io.Writer, v any, indent bool) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if indent {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeJSON(b.Bytes()))
	return err
}

// escapeJSON spells out hidden characters; outside strings JSON has line breaks
// only, and inside the encoder has left none.
func escapeJSON(text []byte) []byte {
	bad := func(r rune) bool { return r != '\n' && hidden(r) }
	if bytes.IndexFunc(text, bad) < 0 {
		return text
	}
	var b []byte
	for _, r := range string(text) {
		switch {
		case !bad(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			r -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return b
}
