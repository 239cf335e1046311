package jinja

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is a piece of a template's source. For kind 'd' (text between tags), 'n'
// (name), 's' (string), 'i' and 'f' (numbers) text is its value; for 'o' the operator.
// '%' and '{' begin a block and a variable, '!' and '}' end them, 0 is the end.
type token struct {
	kind byte
	text string
	line int
}

var (
	rawBegin = regexp.MustCompile(`^\{%[-+]?\s*raw\s*(?:-%\}\s*|%\})`)
	rawEnd   = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)`)
	floatLit = regexp.MustCompile(`^(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?[eE][-+]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)`)
	intLit   = regexp.MustCompile(`^(?:0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|[1-9](?:_?\d)*|0(?:_?0)*)`)
)

// operators, longer ones first.
var operators = []string{"//", "**", "==", "!=", ">=", "<=",
	"+", "-", "*", "/", "%", "~", "[", "]", "(", ")", "{", "}", ".", ":", "|", ",", ";", "=", "<", ">"}

// lexer cuts a source into tokens.
type lexer struct {
	src  string
	pos  int
	line int
	toks []token
}

func lex(src string) []token {
	src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	l := &lexer{src: strings.TrimSuffix(src, "\n"), line: 1}
	for l.pos < len(l.src) {
		l.text()
	}
	return append(l.toks, token{line: l.line})
}

func (l *lexer) fail(format string, a ...any) {
	panic(&Error{Line: l.line, Msg: fmt.Sprintf(format, a...)})
}

func (l *lexer) emit(kind byte, text string) {
	l.toks = append(l.toks, token{kind, text, l.line})
}

// advance moves to pos and counts the lines on the way.
func (l *lexer) advance(pos int) {
	l.line += strings.Count(l.src[l.pos:pos], "\n")
	l.pos = pos
}

// data is a text between tags: sign '-' at the tag that follows takes the white space
// before it away; a tag that stands first in its line, but for '+' and variables,
// takes its indentation.
func (l *lexer) data(to int, sign string, block bool) {
	text := l.src[l.pos:to]
	switch {
	case sign == "-":
		text = strings.TrimRightFunc(text, isSpace)
	case sign == "" && block:
		at := strings.LastIndexByte(text, '\n') + 1
		first := at > 0 || l.pos == 0 || l.src[l.pos-1] == '\n'
		if first && strings.TrimFunc(text[at:], isSpace) == "" {
			text = text[:at]
		}
	}
	if text != "" {
		l.emit('d', text)
	}
	l.advance(to)
}

// text reads to the next tag, and the tag.
func (l *lexer) text() {
	at := l.pos
	for {
		i := strings.IndexByte(l.src[at:], '{')
		if i < 0 || at+i+1 >= len(l.src) {
			l.data(len(l.src), "", false)
			return
		}
		at += i
		if c := l.src[at+1]; c == '%' || c == '{' || c == '#' {
			break
		}
		at++
	}
	kind := l.src[at+1]
	sign := ""
	if at+2 < len(l.src) && (l.src[at+2] == '-' || l.src[at+2] == '+') {
		sign = l.src[at+2 : at+3]
	}
	l.data(at, sign, kind != '{')
	switch raw := rawBegin.FindString(l.src[at:]); {
	case raw != "":
		l.raw(at + len(raw))
	case kind == '#':
		l.comment(at + 2 + len(sign))
	default:
		l.emit(kind, "")
		l.advance(at + 2 + len(sign))
		l.tag(kind)
	}
}

func (l *lexer) raw(from int) {
	l.advance(from)
	if from == len(l.src) {
		return
	}
	end := rawEnd.FindStringSubmatchIndex(l.src[from:])
	if end == nil {
		l.fail("the raw block has no end")
	}
	l.data(from+end[0], l.src[from+end[2]:from+end[3]], true)
	l.advance(from + end[1])
}

func (l *lexer) comment(from int) {
	i := strings.Index(l.src[from:], "#}")
	if i < 0 {
		l.fail("the comment has no end")
	}
	sign := byte(0)
	if i > 0 {
		sign = l.src[from+i-1]
	}
	l.end(from+i+2, sign, true)
}

// end moves behind a tag's end and what it takes with it: '-' all white space, a
// block without '+' a line break.
func (l *lexer) end(pos int, sign byte, block bool) {
	switch {
	case sign == '-':
		rest := l.src[pos:]
		pos += len(rest) - len(strings.TrimLeftFunc(rest, isSpace))
	case block && sign != '+' && pos < len(l.src) && l.src[pos] == '\n':
		pos++
	}
	l.advance(pos)
}

// tag reads to the end of a block ('%') or a variable ('{').
func (l *lexer) tag(kind byte) {
	closing, ends := "%}", byte('!')
	if kind == '{' {
		closing, ends = "}}", '}'
	}
	var open []byte
	for {
		for r, n := rune(0), 0; l.pos < len(l.src); l.advance(l.pos + n) {
			if r, n = utf8.DecodeRuneInString(l.src[l.pos:]); !isSpace(r) {
				break
			}
		}
		rest := l.src[l.pos:]
		if rest == "" {
			l.fail("the tag has no end")
		}
		if len(open) == 0 {
			sign := byte(0)
			if rest[0] == '-' || rest[0] == '+' && kind == '%' {
				sign = rest[0]
			}
			skip := 0
			if sign != 0 {
				skip = 1
			}
			if strings.HasPrefix(rest[skip:], closing) {
				l.emit(ends, "")
				l.end(l.pos+skip+2, sign, kind == '%')
				return
			}
		}
		l.piece(rest, &open)
	}
}

// piece reads one token within a tag.
func (l *lexer) piece(rest string, open *[]byte) {
	c, _ := utf8.DecodeRuneInString(rest)
	switch {
	case c >= '0' && c <= '9':
		if f := floatLit.FindString(rest); f != "" && (l.pos == 0 || l.src[l.pos-1] != '.') {
			l.emit('f', strings.ReplaceAll(f, "_", ""))
			l.advance(l.pos + len(f))
			return
		}
		i := intLit.FindString(rest)
		if i == "" {
			l.fail("bad number %.20q", rest)
		}
		l.emit('i', strings.ReplaceAll(i, "_", ""))
		l.advance(l.pos + len(i))
	case c == '_' || unicode.IsLetter(c):
		n := strings.IndexFunc(rest, func(r rune) bool {
			return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r)
		})
		if n < 0 {
			n = len(rest)
		}
		l.emit('n', rest[:n])
		l.advance(l.pos + n)
	case c == '\'' || c == '"':
		n := 1
		for n < len(rest) && rest[n] != byte(c) {
			if rest[n] == '\\' {
				n++
			}
			n++
		}
		if n >= len(rest) {
			l.fail("the string has no end")
		}
		l.emit('s', unescape(rest[1:n]))
		l.advance(l.pos + n + 1)
	default:
		for _, op := range operators {
			if strings.HasPrefix(rest, op) {
				l.bracket(op[0], open)
				l.emit('o', op)
				l.advance(l.pos + len(op))
				return
			}
		}
		l.fail("unexpected %q", c)
	}
}

// bracket keeps the stack of open brackets.
func (l *lexer) bracket(c byte, open *[]byte) {
	const pairs = "()[]{}"
	switch i := strings.IndexByte(pairs, c); {
	case i < 0:
	case i%2 == 0:
		*open = append(*open, pairs[i+1])
	case len(*open) == 0 || (*open)[len(*open)-1] != c:
		l.fail("unexpected %q", c)
	default:
		*open = (*open)[:len(*open)-1]
	}
}

// isSpace is Python's white space: Unicode's, and the separators of ASCII.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// unescape reads Python's escapes; what is none stays as it is.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		const from, to = "ntrabfv\\'\"", "\n\t\r\a\b\f\v\\'\""
		if k := strings.IndexByte(from, s[i]); k >= 0 {
			b.WriteByte(to[k])
			continue
		}
		digits, base := 0, 16
		switch {
		case s[i] == '\n':
			continue
		case s[i] == 'x':
			digits = 2
		case s[i] == 'u':
			digits = 4
		case s[i] == 'U':
			digits = 8
		case s[i] >= '0' && s[i] <= '7':
			digits, base = 3, 8
			i--
		}
		n, k := rune(0), 0
		for ; k < digits && i+1+k < len(s); k++ {
			d := digit(s[i+1+k])
			if d >= base {
				break
			}
			n = n*rune(base) + rune(d)
		}
		if digits == 0 || base == 16 && k < digits {
			b.WriteByte('\\')
			if digits == 0 || base == 16 {
				b.WriteByte(s[i])
			}
			continue
		}
		b.WriteRune(n)
		i += k
	}
	return b.String()
}

// digit is the value of a hexadecimal digit, 16 for anything else.
func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return 16
}
