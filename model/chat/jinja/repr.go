package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// str is a value as text, as Python's str writes it.
func (m *machine) str(v Value) Str {
	switch v := v.(type) {
	case Str:
		return v
	case *Undefined:
		return Str{}
	}
	return m.repr(v)
}

// repr is a value as text, as Python's repr writes it.
func (m *machine) repr(v Value) Str {
	b := m.builder()
	b.repr(v)
	return b.done()
}

func (b *builder) repr(v Value) {
	switch v := v.(type) {
	case nil:
		b.clean("None")
	case bool:
		if v {
			b.clean("True")
		} else {
			b.clean("False")
		}
	case int64:
		b.clean(strconv.FormatInt(v, 10))
	case *big.Int:
		b.clean(v.String())
	case float64:
		b.clean(floatText(v))
	case Str:
		b.quoted(v)
	case *Undefined:
		b.clean("Undefined")
	case *List:
		b.m.enter()
		defer b.m.leave()
		brackets := "[]"
		if v.tuple {
			brackets = "()"
		}
		b.clean(brackets[:1])
		for i, x := range v.items {
			b.comma(i)
			b.repr(x)
		}
		if v.tuple && len(v.items) == 1 {
			b.clean(",")
		}
		b.clean(brackets[1:])
	case *Dict:
		b.dict(v)
	case *namespace:
		b.clean("<Namespace ")
		b.dict(v.attrs)
		b.clean(">")
	default:
		b.m.fail("%s cannot be written as text", b.m.kind(v))
	}
}

func (b *builder) dict(d *Dict) {
	b.m.enter()
	defer b.m.leave()
	b.clean("{")
	for i := range d.keys {
		b.comma(i)
		b.repr(d.keys[i])
		b.clean(": ")
		b.repr(d.values[i])
	}
	b.clean("}")
}

func (b *builder) comma(i int) {
	if i > 0 {
		b.clean(", ")
	}
}

// floatText is a float as Python writes it: the shortest digits, an exponent below
// 1e-4 and from 1e16, and a point in any case.
func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// quoted writes a string as a Python literal.
func (b *builder) quoted(s Str) {
	quote := "'"
	if strings.Contains(s.s, "'") && !strings.Contains(s.s, `"`) {
		quote = `"`
	}
	b.clean(quote)
	b.escaped(s, func(r rune, bad bool) string {
		switch {
		case r == '\\' || string(r) == quote:
			return `\` + string(r)
		case r == '\n':
			return `\n`
		case r == '\r':
			return `\r`
		case r == '\t':
			return `\t`
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xad:
			return fmt.Sprintf(`\x%02x`, r)
		case r < 0x7f || unicode.IsPrint(r) || bad:
			return ""
		case r < 0x10000:
			return fmt.Sprintf(`\u%04x`, r)
		}
		return fmt.Sprintf(`\U%08x`, r)
	})
	b.clean(quote)
}

// escaped writes s with some characters replaced: those for which f gives a text. Text
// and its replacement are tainted alike.
func (b *builder) escaped(s Str, f func(r rune, bad bool) string) {
	b.m.work(len(s.s))
	from, k := 0, 0
	for i, r := range s.s {
		n := width(s.s[i:])
		for k < len(s.t) && s.t[k].To <= i {
			k++
		}
		if e := f(r, r == utf8.RuneError && n == 1); e != "" {
			b.part(s, from, i)
			b.as(e, k < len(s.t) && s.t[k].From <= i)
			from = i + n
		}
	}
	b.part(s, from, len(s.s))
}
