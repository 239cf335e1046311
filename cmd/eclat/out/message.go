package out

import (
	"os"
	"strings"
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

// Notice writes lines to stderr that are worth saying once: a text that was said
// before is dropped, and a line that nobody would read to its end is cut.
func Notice(text string) {
	var lines string
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		lines += Cut(Escape(line), maxNotice) + "\n"
	}
	stderr.Lock()
	defer stderr.Unlock()
	if stderr.said[lines] {
		return
	}
	if stderr.said == nil {
		stderr.said = map[string]bool{}
	}
	stderr.said[lines] = true
	message("%s", Painted(lines))
}

// Noticef is Notice with a format.
func Noticef(format string, args ...any) { Notice(Sprintf(format, args...)) }

// Error writes what went wrong, on one line.
func Error(text string) { Messagef("eclat: %s\n", Painted(Cut(Escape(text), maxError))) }
