package out

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// Style is how a cell looks on a terminal.
type Style string

// The styles in use.
const (
	Plain Style = ""
	Bold  Style = "1"
	Dim   Style = "2"
	Red   Style = "31"
	Green Style = "32"
)

// Coloured reports whether what goes to f may be coloured: f is a terminal and the
// user has not said no (no-color.org).
func Coloured(f *os.File) bool {
	return IsTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Paint escapes text and gives it a style, or none.
func Paint(colour bool, s Style, text string) Painted {
	text = Escape(text)
	if !colour || s == Plain || text == "" {
		return Painted(text)
	}
	return Painted("\x1b[" + string(s) + "m" + text + "\x1b[0m")
}

// Table is text in columns, escaped. Widths are counted in characters and colours added
// afterwards, so neither accents nor colours disturb the columns.
type Table struct {
	head  []string
	left  map[int]bool // columns that lean left; all others lean right
	rows  [][]string
	looks []map[int]Style // of each row's cells
}

// NewTable starts a table; columns whose heading begins with "<" lean left.
func NewTable(head ...string) *Table {
	t := &Table{left: map[int]bool{}}
	for i, h := range head {
		h, left := strings.CutPrefix(h, "<")
		t.head, t.left[i] = append(t.head, h), left
	}
	return t
}

// Add adds a row.
func (t *Table) Add(cells ...string) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = Escape(c)
	}
	t.rows = append(t.rows, row)
	t.looks = append(t.looks, nil)
}

// Look gives a cell of the last row a style.
func (t *Table) Look(column int, s Style) {
	last := len(t.looks) - 1
	if t.looks[last] == nil {
		t.looks[last] = map[int]Style{}
	}
	t.looks[last][column] = s
}

func (t *Table) widths() []int {
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

func (t *Table) cell(text string, column, width int) string {
	pad := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
	if t.left[column] {
		return text + pad
	}
	return pad + text
}

// Text writes the table with two spaces between columns.
func (t *Table) Text(w io.Writer, colour bool) {
	t.write(w, colour, "", "  ", "")
}

// Markdown writes the table as Markdown, aligned for reading as it is.
func (t *Table) Markdown(w io.Writer, colour bool) {
	t.write(w, colour, "| ", " | ", " |")
}

func (t *Table) write(w io.Writer, colour bool, begin, between, end string) {
	widths := t.widths()
	line := func(cells []string, looks map[int]Style, all Style) {
		painted := make([]string, len(cells))
		for i, c := range cells {
			s := all
			if looks[i] != Plain {
				s = looks[i]
			}
			painted[i] = string(Paint(colour, s, t.cell(c, i, widths[i])))
		}
		text := begin + strings.Join(painted, between) + end
		if end == "" {
			text = strings.TrimRight(text, " ")
		}
		fmt.Fprintln(w, text)
	}
	line(t.head, nil, Bold)
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
		line(r, t.looks[i], Plain)
	}
}
