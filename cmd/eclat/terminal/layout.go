package terminal

import (
	"strings"

	"github.com/rivo/uniseg"

	"eclat/cmd/eclat/out"
)

// least is the narrowest screen that is laid out for, in columns.
const least = 10

// tab is how a tabulator shows.
const tab = "    "

// row is a line of the screen.
type row struct {
	text       string // safe on a terminal
	width      int    // columns
	margin     int    // columns before its part of the text
	start, end int    // bytes of the text that it shows, without a line break
}

// layout is a prompt and a text as rows, with the place of the cursor.
type layout struct {
	rows        []row
	row, column int // of the cursor
}

// shown is how a character shows, and how many columns it takes.
func shown(c string, width int) (string, int) {
	if c == "\t" {
		return tab, len(tab)
	}
	if s := out.Screen(c); s != c {
		return s, len(s)
	}
	return c, width
}

// lay puts a text behind a prompt on a screen of some width. Later lines of the text are
// indented as the prompt is wide. The cursor is before the byte pos of the text.
func lay(prompt, text string, pos, width int) (l layout) {
	width = max(width, least)
	margin := min(uniseg.StringWidth(prompt), width/2)
	var b strings.Builder
	b.WriteString(prompt)
	r := row{width: margin, margin: margin}
	next := func(end, start, margin int) {
		r.text, r.end = b.String(), end
		l.rows = append(l.rows, r)
		b.Reset()
		b.WriteString(strings.Repeat(" ", margin))
		r = row{width: margin, margin: margin, start: start}
	}
	at := 0
	for at < len(text) {
		c, _, w, _ := uniseg.FirstGraphemeClusterInString(text[at:], -1)
		s, w := shown(c, w)
		breaks := c == "\n" || c == "\r\n"
		if !breaks && r.width+w > width && r.width > r.margin {
			next(at, at, 0)
		}
		if at == pos {
			l.row, l.column = len(l.rows), min(r.width, width-1)
		}
		at += len(c)
		if breaks {
			next(at-len(c), at, margin)
			continue
		}
		b.WriteString(s)
		r.width += w
	}
	if r.width >= width { // the cursor has no place behind a full row
		next(at, at, 0)
	}
	if pos >= at {
		l.row, l.column = len(l.rows), r.width
	}
	next(at, at, 0)
	return l
}

// at is the byte of the text that a row shows at a column, or the nearest before it.
func (l *layout) at(b *buffer, r, column int) int {
	at, col := l.rows[r].start, l.rows[r].margin
	last := l.rows[r].end
	if r+1 < len(l.rows) && l.rows[r+1].start == last && last > at {
		last = b.before(last) // behind it is the next row
	}
	for at < last {
		n := b.next(at)
		_, w := shown(b.text[at:n], uniseg.StringWidth(b.text[at:n]))
		if col += w; col > column {
			break
		}
		at = n
	}
	return at
}
