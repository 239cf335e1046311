package out

import (
	"io"
	"os"
	"strings"
	"sync"
)

// The most that is said on stderr at once.
const (
	maxLine  = 190 // characters of a line
	maxLines = 40  // lines of a notice
)

// stderr is the state of the terminal that messages and bars share.
var stderr struct {
	sync.Mutex
	bar  *Bar            // on the screen now; nil for none
	said map[string]bool // notices so far
}

// Messagef writes whole lines to stderr; a bar there goes out of the way. Arguments
// are escaped, and lines that nobody would read to their end are shortened.
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
	for line := range strings.Lines(Sprintf(format, args...)) {
		io.WriteString(os.Stderr, Shorten(strings.TrimSuffix(line, "\n"), maxLine)+"\n")
	}
}

// Notice writes to stderr what is worth saying once: what was said before is
// dropped. A notice may be a small table of several lines.
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
		message("%s\n", line)
	}
}

// Noticef is Notice with a format.
func Noticef(format string, args ...any) { Notice(Sprintf(format, args...)) }

// Error writes what went wrong, on one line.
func Error(text string) { Messagef("eclat: %s\n", text) }

// Stderr takes what is no message: a prompt, or a log that escapes its own lines.
func Stderr() io.Writer { return os.Stderr }

// ColouredMessages reports whether messages may be coloured.
func ColouredMessages() bool { return Coloured(os.Stderr) }
