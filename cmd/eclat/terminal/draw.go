package terminal

import (
	"fmt"
	"io"
	"strings"
)

// draw puts the text on the screen in place of how it was drawn before. Of one that is
// higher than the screen the rows around the cursor show.
func (t *Terminal) draw() {
	columns, rows := t.size()
	columns = max(columns, least)
	var b strings.Builder
	t.rewind(&b, columns)
	t.drawn, t.width = lay(t.prompt, t.buf.text, t.buf.pos, columns), columns
	room := max(1, rows-1)
	switch {
	case len(t.drawn.rows) <= room:
		t.top = 0
	case t.drawn.row < t.top:
		t.top = t.drawn.row
	case t.drawn.row >= t.top+room:
		t.top = t.drawn.row - room + 1
	}
	t.top = min(t.top, max(0, len(t.drawn.rows)-room))
	t.bottom = min(len(t.drawn.rows), t.top+room)
	t.write(&b, t.top, t.bottom)
	if n := t.bottom - 1 - t.drawn.row; n > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", n)
	}
	b.WriteString("\r")
	if t.drawn.column > 0 {
		fmt.Fprintf(&b, "\x1b[%dC", t.drawn.column)
	}
	io.WriteString(t.out, b.String())
}

// rewind moves to the first row that was drawn. On a screen whose width has changed since,
// each of its rows is taken to have been broken anew, as nearly all terminals do.
func (t *Terminal) rewind(b *strings.Builder, columns int) {
	if t.width == 0 {
		t.top = 0
		return
	}
	n := t.drawn.row - t.top
	if columns != t.width {
		n = t.drawn.column / columns
		for _, r := range t.drawn.rows[t.top:t.drawn.row] {
			n += max(1, (r.width+columns-1)/columns)
		}
	}
	if n > 0 {
		fmt.Fprintf(b, "\x1b[%dA", n)
	}
	b.WriteString("\r")
	if columns != t.width {
		b.WriteString("\x1b[J")
	}
}

// write writes rows and clears what stood behind and below them. Behind a full row there
// is nothing, and clearing there would take its last character. A line feed goes to the
// beginning of the next row: the terminal's output is in its ordinary mode.
func (t *Terminal) write(b *strings.Builder, from, to int) {
	for i := from; i < to; i++ {
		if i > from {
			b.WriteString("\n")
		}
		r := &t.drawn.rows[i]
		b.WriteString(r.text)
		if r.width < t.width {
			b.WriteString("\x1b[K")
			if i == to-1 {
				b.WriteString("\x1b[J")
			}
		}
	}
}

// leave shows the whole text once more, so that it stands there to be read, and goes on to
// the next line.
func (t *Terminal) leave(behind string) {
	columns, _ := t.size()
	columns = max(columns, least)
	var b strings.Builder
	t.rewind(&b, columns)
	t.drawn, t.width = lay(t.prompt, t.buf.text, len(t.buf.text), columns), columns
	t.write(&b, 0, len(t.drawn.rows))
	b.WriteString(behind + "\n")
	io.WriteString(t.out, b.String())
	t.width, t.top = 0, 0
}
