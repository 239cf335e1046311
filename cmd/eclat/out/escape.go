package out

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape makes text from outside safe on one line: control characters, line
// breaks, what turns the direction of writing and what has no width are spelled
// out (\n, \x1b, \u202e), and so are bytes that are no UTF-8 (\xff). Text without
// them is returned as it is.
func Escape(s string) string { return escape(s, hidden) }

// Screen is Escape for prose of many lines that goes to a terminal, such as what a
// model writes: line breaks and tabs are kept, and so are the joiners that Persian,
// Hindi and emoji need.
func Screen(s string) string { return escape(s, commanding) }

// hidden reports whether a character does not show as one: Unicode's classes of
// controls, formats and separators of lines, and fillers without a shape.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

// commanding reports whether a character of prose does something to a terminal:
// controls, and what overrides the direction of the text around it.
func commanding(r rune) bool {
	return r != '\n' && r != '\t' && unicode.Is(unicode.Cc, r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

func escape(s string, bad func(rune) bool) string {
	i := 0
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || bad(r) {
			break
		}
		i += n
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:i])
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case bad(r):
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// Shorten makes text of one line at most n characters long. Its longest words go
// first, which are names and paths: each loses its middle to an ellipsis. Of a text
// that is too long without such words, the middle goes; how it begins and ends says
// the most.
func Shorten(s string, n int) string {
	const least = 24 // characters of a word that are kept
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	words := strings.Split(s, " ")
	lengths := make([]int, len(words))
	for i, w := range words {
		lengths[i] = utf8.RuneCountInString(w)
	}
	most := n // characters of a word, so that all have room
	for ; most > least; most-- {
		total := len(words) - 1
		for _, l := range lengths {
			total += min(l, most)
		}
		if total <= n {
			break
		}
	}
	for i, w := range words {
		words[i] = cutMiddle(w, max(most, least))
	}
	return cutMiddle(strings.Join(words, " "), n)
}

// cutMiddle shortens text to n characters, of which a third is its beginning.
func cutMiddle(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	head := n / 3
	return string(r[:head]) + "…" + string(r[len(r)-(n-head-1):])
}

// Painted is text that is safe as it is: escaped before, with colours around it.
type Painted string

// shown is an argument of Fprintf: its text, escaped where the verb does not quote.
type shown struct {
	text  string
	value any
}

// Format implements fmt.Formatter.
func (x shown) Format(f fmt.State, verb rune) {
	switch verb {
	case 's', 'v':
		// Flags other than a width and a precision mean nothing to text.
		format := "%"
		if f.Flag('-') {
			format += "-"
		}
		if n, ok := f.Width(); ok {
			format += strconv.Itoa(n)
		}
		if n, ok := f.Precision(); ok {
			format += "." + strconv.Itoa(n)
		}
		fmt.Fprintf(f, format+"s", Escape(x.text))
	case 'q':
		fmt.Fprintf(f, fmt.FormatString(f, verb), x.text)
	default:
		fmt.Fprintf(f, fmt.FormatString(f, verb), x.value)
	}
}

// safe prepares the arguments of a format.
func safe(args []any) []any {
	shownArgs := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64, Painted:
			shownArgs[i] = a
		case string:
			shownArgs[i] = shown{a, a}
		default:
			shownArgs[i] = shown{fmt.Sprint(a), a}
		}
	}
	return shownArgs
}

// Fprintf is fmt.Fprintf with arguments escaped; the format is the program's own.
// Errors of w are for its owner to ask for.
func Fprintf(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, format, safe(args)...)
}

// Sprintf is fmt.Sprintf with arguments escaped.
func Sprintf(format string, args ...any) string { return fmt.Sprintf(format, safe(args)...) }
