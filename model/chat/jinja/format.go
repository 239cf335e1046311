package jinja

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// maxWidth bounds the width and the precision of a format.
const maxWidth = 100_000

// spec is how a value is laid out.
type spec struct {
	fill                rune
	align               byte // < > ^ = or 0
	sign                byte // + or space or 0
	alt, zero, grouping bool
	width, prec         int // prec -1: none
	verb                byte
}

// digits reads a number at the start of s.
func (m *machine) digits(s string) (n int, rest string, ok bool) {
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		if n = n*10 + int(s[i]-'0'); n > maxWidth {
			m.exceeded("a format of more than %d characters", maxWidth)
		}
	}
	return n, s[i:], i > 0
}

// percent is s % v.
func (m *machine) percent(s Str, v Value) Value {
	vals, used := []Value{v}, 0
	if t, ok := v.(*List); ok && t.tuple {
		vals = t.items
	}
	named, isDict := v.(*Dict)
	b, rest := m.builder(), s.s
	for {
		m.work(len(rest) >> 4)
		i := strings.IndexByte(rest, '%')
		at := len(s.s) - len(rest)
		if i < 0 {
			b.part(s, at, len(s.s))
			break
		}
		b.part(s, at, at+i)
		rest = rest[i+1:]
		if strings.HasPrefix(rest, "%") {
			b.clean("%")
			rest = rest[1:]
			continue
		}
		next := func() Value {
			if used >= len(vals) {
				m.fail("not enough arguments for the format")
			}
			used++
			return vals[used-1]
		}
		if strings.HasPrefix(rest, "(") {
			end := strings.IndexByte(rest, ')')
			if end < 0 || !isDict {
				m.fail("a format with names needs a dict")
			}
			x, ok := named.Get(rest[1:end])
			if !ok {
				m.fail("the format's %.60q is not there", rest[1:end])
			}
			next, rest = func() Value { return x }, rest[end+1:]
			used = len(vals)
		}
		f := spec{fill: ' ', prec: -1, align: '>'}
		for rest != "" && strings.IndexByte("-+ 0#", rest[0]) >= 0 {
			switch rest[0] {
			case '-':
				f.align = '<'
			case '0':
				f.zero = true
			case '#':
				f.alt = true
			default:
				f.sign = rest[0]
			}
			rest = rest[1:]
		}
		f.width, rest, _ = m.digits(rest)
		if strings.HasPrefix(rest, ".") {
			f.prec, rest, _ = m.digits(rest[1:])
		}
		if rest == "" {
			m.fail("the format ends too early")
		}
		f.verb, rest = rest[0], rest[1:]
		x := next()
		switch f.verb {
		case 's':
			x = m.str(x)
		case 'r', 'a':
			x, f.verb = m.repr(x), 's'
		case 'd', 'i', 'u':
			f.verb = 'd'
			if fl, ok := x.(float64); ok {
				x = m.truncated(fl)
			}
		case 'x', 'X', 'o', 'c', 'e', 'E', 'f', 'F', 'g', 'G':
		default:
			m.fail("unsupported format %%%c", f.verb)
		}
		if f.zero && f.align != '<' && f.verb != 's' && f.verb != 'c' {
			f.fill, f.align = '0', '='
		}
		m.lay(b, x, f)
	}
	switch v := v.(type) {
	case *Undefined: // as those below, it might have had items
		isDict = true
	case *List:
		isDict = !v.tuple
	}
	if used < len(vals) && !isDict {
		m.fail("not all arguments of the format are used")
	}
	return b.done()
}

// lay writes a value by its spec.
func (m *machine) lay(b *builder, v Value, f spec) {
	var text Str
	switch x := v.(type) {
	case Str:
		if f.verb != 's' && f.verb != 0 {
			m.fail("the format %%%c needs a number, not a string", f.verb)
		}
		text = x
		if f.prec >= 0 && f.prec < m.runes(x) {
			text = m.cut(x, 0, m.offset(x.s, f.prec))
		}
		if f.align == 0 {
			f.align = '<'
		}
	default:
		m.defined(v)
		text = clean(m.numeral(v, f))
		if f.align == 0 {
			f.align = '>'
		}
	}
	pad := max(f.width-m.runes(text), 0)
	left := pad
	switch f.align {
	case '<':
		left = 0
	case '^':
		left = pad / 2
	case '=':
		if n := len(text.s) - len(strings.TrimLeft(text.s, "+- ")); n > 0 {
			b.part(text, 0, n)
			text = m.cut(text, n, len(text.s))
		}
	}
	b.clean(strings.Repeat(string(f.fill), left))
	b.str(text)
	b.clean(strings.Repeat(string(f.fill), pad-left))
}

// numeral is a number by its verb.
func (m *machine) numeral(v Value, f spec) (text string) {
	i, fl, isInt, ok := number(v)
	if n, big := v.(*big.Int); big && (f.verb == 'd' || f.verb == 0) {
		return n.String()
	}
	if !ok {
		m.fail("%s has no such format", m.kind(v))
	}
	prec := f.prec
	if prec < 0 {
		prec = 6
	}
	switch verb := f.verb; {
	case verb == 'd' && !isInt, !isInt && strings.IndexByte("xXobc", verb) >= 0 && verb != 0:
		m.fail("the format %%%c needs an integer", verb)
	case verb == 'c':
		return string(rune(i))
	case verb == 'd', verb == 0 && isInt:
		text = strconv.FormatInt(i, 10)
	case verb == 'x' || verb == 'X' || verb == 'o' || verb == 'b':
		form := "%" + string(verb)
		if f.alt {
			form = "%#" + string(verb)
		}
		text = fmt.Sprintf(form, i)
	case verb == 0 && f.prec < 0:
		text = floatText(fl)
	case verb == '%':
		text = strconv.FormatFloat(fl*100, 'f', prec, 64) + "%"
	case verb == 'f' || verb == 'F' || verb == 'e' || verb == 'E':
		text = strconv.FormatFloat(fl, verb|0x20, prec, 64)
	default:
		text = fmt.Sprintf("%."+strconv.Itoa(max(prec, 1))+"g", fl)
	}
	m.alloc(len(text))
	if f.grouping {
		whole, part, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
		var groups []string
		for ; len(whole) > 3; whole = whole[:len(whole)-3] {
			groups = append(groups, whole[len(whole)-3:])
		}
		groups = append(groups, whole)
		slices.Reverse(groups)
		sign := text[:len(text)-len(strings.TrimPrefix(text, "-"))]
		if part != "" {
			part = "." + part
		}
		text = sign + strings.Join(groups, ",") + part
	}
	if f.sign != 0 && text[0] != '-' {
		text = string(f.sign) + text
	}
	return text
}

// format is s.format(…): {}, {0}, {name}, with !s or !r and a spec. Attributes and
// items of what is formatted are not reached.
func (m *machine) format(s Str, a args) Value {
	b, auto := m.builder(), 0
	for i := 0; i < len(s.s); i++ {
		m.step()
		c := s.s[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(s.s) && s.s[i+1] == c:
			b.part(s, i, i+1)
			i++
			continue
		case c == '}':
			m.fail("format: a single }")
		case c != '{':
			b.part(s, i, i+1)
			continue
		}
		end := strings.IndexByte(s.s[i:], '}')
		if end < 0 {
			m.fail("format: { without }")
		}
		field, layout, _ := strings.Cut(s.s[i+1:i+end], ":")
		field, conv, _ := strings.Cut(field, "!")
		var v Value
		switch k := slices.Index(a.names, field); {
		case field == "":
			field = strconv.Itoa(auto)
			auto++
			fallthrough
		default:
			n, err := strconv.ParseUint(field, 10, 31)
			if err != nil || int(n) >= len(a.pos) {
				m.fail("format: there is no argument %.60q", field)
			}
			v = a.pos[n]
		case k >= 0:
			v = a.kw[k]
		}
		switch conv {
		case "":
		case "s":
			v = m.str(v)
		case "r":
			v = m.repr(v)
		default:
			m.fail("format: unknown conversion %.20q", conv)
		}
		if layout == "" {
			b.str(m.str(v))
		} else {
			m.lay(b, v, m.spec(layout))
		}
		i += end
	}
	return b.done()
}

// spec reads [[fill]align][sign][#][0][width][,][.precision][verb].
func (m *machine) spec(s string) spec {
	f, whole := spec{fill: ' ', prec: -1}, s
	if n := width(s); len(s) > n && strings.IndexByte("<>^=", s[n]) >= 0 {
		f.fill, f.align, s = []rune(s[:n])[0], s[n], s[n+1:]
	} else if strings.IndexByte("<>^=", s[0]) >= 0 {
		f.align, s = s[0], s[1:]
	}
	if s != "" && strings.IndexByte("+- ", s[0]) >= 0 {
		if s[0] != '-' {
			f.sign = s[0]
		}
		s = s[1:]
	}
	if strings.HasPrefix(s, "#") {
		f.alt, s = true, s[1:]
	}
	if strings.HasPrefix(s, "0") {
		if f.align == 0 {
			f.fill, f.align = '0', '='
		}
		s = s[1:]
	}
	f.width, s, _ = m.digits(s)
	if strings.HasPrefix(s, ",") {
		f.grouping, s = true, s[1:]
	}
	if strings.HasPrefix(s, ".") {
		f.prec, s, _ = m.digits(s[1:])
	}
	if len(s) == 1 && strings.Contains("sdxXobceEfFgG%", s) {
		f.verb, s = s[0], ""
	}
	if s != "" {
		m.fail("format: bad layout %.40q", whole)
	}
	return f
}
