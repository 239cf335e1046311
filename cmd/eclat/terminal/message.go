package terminal

import (
	"errors"
	"regexp"
	"strings"
)

// Message is what somebody said.
type Message struct {
	Text string
	Raw  bool // pasted, of several lines: no command, whatever it begins with
}

// What ends a Read without a message; io.EOF is for the end of all of them.
var (
	ErrInterrupted = errors.New("interrupted")
	ErrTooLong     = errors.New("the message is too long")
)

// quote opens and closes a message of several lines; a command may stand before it.
const quote = `"""`

var quoted = regexp.MustCompile(`^(/[a-z]+ +)?"""`)

// finish takes what has been typed at the end of a line. Either it is a message, or more
// is to come, and text is then what it begins with: after """ until there is another, and
// after a backslash at the end of the line.
func finish(text string) (_ string, more bool) {
	if open := quoted.FindString(text); open != "" {
		body, closed := strings.CutSuffix(strings.TrimRight(text[len(open):], " \t"), quote)
		if !closed {
			return text + "\n", true
		}
		return strings.TrimSuffix(open, quote) + strings.TrimSuffix(strings.TrimPrefix(body, "\n"), "\n"), false
	}
	if line, ok := strings.CutSuffix(text, `\`); ok {
		return line + "\n", true
	}
	return text, false
}
