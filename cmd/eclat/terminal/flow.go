package terminal

import (
	"fmt"
	"strings"

	"github.com/rivo/uniseg"
)

// Flow breaks text between words as it comes, a piece of a word at a time: a word that
// does not fit any more is taken off the screen and begins the next line. Wide characters
// are words of their own. What stands between ``` is left to the terminal to break.
type Flow struct {
	Columns func() int

	column int
	word   string // since the last place to break
	width  int    // of word
	line   string // its first bytes
	code   bool   // between ```
}

const fence = "```"

// Add returns what to write to the terminal for text, which has no control characters but
// line breaks and tabs.
func (f *Flow) Add(text string) string {
	columns := max(least, f.Columns())
	var b strings.Builder
	for text != "" {
		c, rest, w, _ := uniseg.FirstGraphemeClusterInString(text, -1)
		text = rest
		switch c {
		case "\n", "\r\n":
			if f.line == fence {
				f.code = !f.code
			}
			b.WriteString("\n")
			f.newLine()
			continue
		case "\t":
			c, w = tab, len(tab)
		}
		if len(f.line) < len(fence) {
			f.line += c[:min(len(c), len(fence)-len(f.line))]
		}
		blank := strings.TrimSpace(c) == ""
		if f.column+w > columns {
			switch {
			case f.code:
				f.column = 0 // the terminal goes on there
			case blank:
				b.WriteString("\n")
				f.column, f.word, f.width = 0, "", 0
				continue
			case w == 1 && f.width > 0 && f.width < f.column:
				b.WriteString("\r")
				fmt.Fprintf(&b, "\x1b[%dC\x1b[K\n%s", f.column-f.width, f.word)
				f.column = f.width
			default:
				b.WriteString("\n")
				f.column = 0
			}
		}
		b.WriteString(c)
		f.column += w
		if blank || w > 1 {
			f.word, f.width = "", 0
		} else {
			f.word += c
			f.width += w
		}
	}
	return b.String()
}

// newLine begins a line, which others have begun.
func (f *Flow) newLine() { f.column, f.word, f.width, f.line = 0, "", 0, "" }
