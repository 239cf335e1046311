package terminal

import (
	"fmt"
	"strings"

	"github.com/rivo/uniseg"
)

// screen is a small terminal: what it was sent, as rows of cells. It knows what the
// editor sends, and counts what it does not.
type screen struct {
	columns, rows int
	cells         [][]string // "" behind a wide character
	r, c          int
	wrap          bool // the last column was written; the next character goes to the next row
	above         []string
	unknown       []string
	rest          string
}

func newScreen(columns, rows int) *screen {
	s := &screen{columns: columns, rows: rows}
	for range rows {
		s.cells = append(s.cells, s.blank())
	}
	return s
}

func (s *screen) blank() []string {
	row := make([]string, s.columns)
	for i := range row {
		row[i] = " "
	}
	return row
}

func (s *screen) down() {
	if s.r++; s.r == s.rows {
		s.above = append(s.above, strings.TrimRight(strings.Join(s.cells[0], ""), " "))
		s.cells = append(s.cells[1:], s.blank())
		s.r--
	}
}

// Write implements io.Writer.
func (s *screen) Write(b []byte) (int, error) {
	text := s.rest + string(b)
	s.rest = ""
	for text != "" {
		switch {
		case text[0] == '\r':
			s.c, s.wrap, text = 0, false, text[1:]
		case text[0] == '\n':
			s.down()
			s.c, s.wrap, text = 0, false, text[1:] // as with ONLCR
		case strings.HasPrefix(text, "\x1b["):
			i := strings.IndexFunc(text[2:], func(r rune) bool { return r >= '@' && r <= '~' })
			if i < 0 {
				s.rest = text
				return len(b), nil
			}
			s.control(text[2:2+i], text[2+i])
			text = text[3+i:]
		default:
			c, rest, w, _ := uniseg.FirstGraphemeClusterInString(text, -1)
			s.put(c, w)
			text = rest
		}
	}
	return len(b), nil
}

func (s *screen) put(c string, w int) {
	if c[0] < ' ' || c[0] == 0x7f {
		s.unknown = append(s.unknown, fmt.Sprintf("%q", c))
		return
	}
	if s.wrap || s.c+w > s.columns {
		s.down()
		s.c, s.wrap = 0, false
	}
	if w == 0 {
		return
	}
	s.cells[s.r][s.c] = c
	for i := 1; i < w; i++ {
		s.cells[s.r][s.c+i] = ""
	}
	if s.c += w; s.c >= s.columns {
		s.c, s.wrap = s.columns-1, true
	}
}

func (s *screen) control(args string, final byte) {
	n := 1
	fmt.Sscan(args, &n)
	s.wrap = false
	switch final {
	case 'A':
		s.r = max(0, s.r-n)
	case 'C':
		s.c = min(s.columns-1, s.c+n)
	case 'K':
		for i := s.c; i < s.columns; i++ {
			s.cells[s.r][i] = " "
		}
	case 'J':
		if args == "2" {
			for i := range s.cells {
				s.cells[i] = s.blank()
			}
			return
		}
		s.control("", 'K')
		for i := s.r + 1; i < s.rows; i++ {
			s.cells[i] = s.blank()
		}
	case 'H':
		s.r, s.c = 0, 0
	case 'm', 'h', 'l':
	default:
		s.unknown = append(s.unknown, args+string(final))
	}
}

// text is what the screen shows, without what is empty.
func (s *screen) text() string {
	var rows []string
	for _, row := range s.cells {
		rows = append(rows, strings.TrimRight(strings.Join(row, ""), " "))
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n")
}

// resize gives the screen another width, as most terminals do: rows that filled the width
// and went on are joined and broken anew. Rows here end where they were ended, so each is
// broken for itself.
func (s *screen) resize(columns int) {
	old, at, col := s.cells, s.r, s.c
	s.columns = columns
	var cells [][]string
	r, c := 0, 0
	for i, row := range old {
		n := len(row)
		for n > 0 && row[n-1] == " " {
			n--
		}
		if i == at {
			n = max(n, col)
			r, c = len(cells)+col/columns, col%columns
		}
		for from := 0; from == 0 || from < n; from += columns {
			next := s.blank()
			copy(next, row[from:min(n, from+columns)])
			cells = append(cells, next)
		}
	}
	for len(cells) < s.rows {
		cells = append(cells, s.blank())
	}
	for len(cells) > s.rows && r < len(cells)-1 { // empty rows below
		cells = cells[:len(cells)-1]
	}
	for len(cells) > s.rows {
		s.above = append(s.above, strings.TrimRight(strings.Join(cells[0], ""), " "))
		cells, r = cells[1:], r-1
	}
	s.cells, s.r, s.c = cells, r, c
}
