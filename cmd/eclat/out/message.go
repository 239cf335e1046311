package out

import (
	"os"
	"sync"
)

// The longest lines on stderr, in characters.
const (
	maxNotice = 200
	maxError  = 2000
)

// stderr is the state of the terminal that messages and bars share.
var stderr struct {
	sync.Mutex
	bar  *Bar            // on the screen now; nil for none
	said map[string]bool // notices
}

// Messagef writes to stderr; a bar there goes out of the way. Arguments are escaped.
func Messagef(format string, args ...any) {
	stderr.Lock()
	defer stderr.Unlock()
	message(format, args...)
}

// message is Messagef under the lock.
func message(format string, args ...any) {
	if stderr.bar != nil {
		stderr.bar.hide()
	}
	Fprintf(os.Stderr, format, args...)
}

// Notice writes a line to stderr that is worth saying once: one that was said
// before is dropped, and one that nobody would read to its end is cut.
func Notice(text string) {
	line := Cut(Escape(text), maxNotice)
	stderr.Lock()
	defer stderr.Unlock()
	if stderr.said[line] {
		return
	}
	if stderr.said == nil {
		stderr.said = map[string]bool{}
	}
	stderr.said[line] = true
	message("%s\n", Painted(line))
}

// Noticef is Notice with a format.
func Noticef(format string, args ...any) { Notice(Sprintf(format, args...)) }

// Error writes what went wrong, on one line.
func Error(text string) { Messagef("eclat: %s\n", Painted(Cut(Escape(text), maxError))) }
