package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// style is how a cell looks on a terminal.
type style string

const (
	plain style = ""
	bold  style = "1"
	dim   style = "2"
	red   style = "31"
	green style = "32"
)

// coloured reports whether what goes to f may be coloured: f is a terminal and the
// user has not said no (no-color.org).
func coloured(f *os.File) bool {
	return isTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// paint writes text in a style, or plainly.
func paint(colour bool, s style, text string) string {
	if !colour || s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// table is text in columns. Widths are counted in characters and colours added
// afterwards, so neither accents nor colours disturb the columns.
type table struct {
	head  []string
	left  map[int]bool // columns that lean left; all others lean right
	rows  [][]string
	looks []map[int]style // of each row's cells
}

// newTable starts a table; columns whose heading begins with "<" lean left.
func newTable(head ...string) *table {
	t := &table{left: map[int]bool{}}
	for i, h := range head {
		h, left := strings.CutPrefix(h, "<")
		t.head, t.left[i] = append(t.head, h), left
	}
	return t
}

func (t *table) add(cells ...string) {
	t.rows = append(t.rows, cells)
	t.looks = append(t.looks, nil)
}

// look gives a cell of the last row a style.
func (t *table) look(column int, s style) {
	last := len(t.looks) - 1
	if t.looks[last] == nil {
		t.looks[last] = map[int]style{}
	}
	t.looks[last][column] = s
}

func (t *table) widths() []int {
	w := make([]int, len(t.head))
	for i := range w {
		w[i] = 3 // Markdown's least
	}
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			w[i] = max(w[i], utf8.RuneCountInString(c))
		}
	}
	return w
}

func (t *table) cell(text string, column, width int) string {
	pad := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
	if t.left[column] {
		return text + pad
	}
	return pad + text
}

// text writes the table with two spaces between columns.
func (t *table) text(w io.Writer, colour bool) {
	t.write(w, colour, "", "  ", "")
}

// markdown writes the table as Markdown, aligned for reading as it is.
func (t *table) markdown(w io.Writer, colour bool) {
	t.write(w, colour, "| ", " | ", " |")
}

func (t *table) write(w io.Writer, colour bool, begin, between, end string) {
	widths := t.widths()
	line := func(cells []string, looks map[int]style, all style) {
		out := make([]string, len(cells))
		for i, c := range cells {
			s := all
			if looks[i] != plain {
				s = looks[i]
			}
			out[i] = paint(colour, s, t.cell(c, i, widths[i]))
		}
		text := begin + strings.Join(out, between) + end
		if end == "" {
			text = strings.TrimRight(text, " ")
		}
		fmt.Fprintln(w, text)
	}
	line(t.head, nil, bold)
	if end != "" { // Markdown's line under the heading
		rule := make([]string, len(widths))
		for i, n := range widths {
			if rule[i] = strings.Repeat("-", n); !t.left[i] {
				rule[i] = rule[i][1:] + ":"
			}
		}
		fmt.Fprintln(w, begin+strings.Join(rule, between)+end)
	}
	for i, r := range t.rows {
		line(r, t.looks[i], plain)
	}
}
