package out

import (
	"os"
	"strings"
	"sync"
)

// The most that is said on stderr at once.
const (
	maxNotice = 200  // characters in a line of a notice
	maxLines  = 40   // lines of one
	maxError  = 2000 // characters of an error
)

// stderr is the state of the terminal that messages and bars share.
var stderr struct {
	sync.Mutex
	bar  *Bar            // on the screen now; nil for none
	said map[string]bool // notices so far
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

// Notice writes to stderr what is worth saying once: what was said before is
// dropped, and lines that nobody would read to their end are cut. A notice may be a
// small table of several lines.
func Notice(text string) {
	stderr.Lock()
	defer stderr.Unlock()
	if stderr.said[text] {
		return
	}
	if stderr.said == nil {
		stderr.said = map[string]bool{}
	}
	stderr.said[text] = true
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for _, line := range lines[:min(len(lines), maxLines)] {
		message("%s\n", Painted(Cut(Escape(line), maxNotice)))
	}
}

// Noticef is Notice with a format.
func Noticef(format string, args ...any) { Notice(Sprintf(format, args...)) }

// Error writes what went wrong, on one line.
func Error(text string) { Messagef("eclat: %s\n", Painted(Cut(Escape(text), maxError))) }
