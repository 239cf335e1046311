package jinja

import (
	"strconv"
	"strings"
)

// maxRange bounds range, as in jinja2's sandbox.
const maxRange = 100_000

// globals are the names every template has.
var globals = &scope{vars: map[string]Value{}}

func init() {
	for name, f := range map[string]func(m *machine, a args) Value{
		"range": rangeOf,
		"dict": func(m *machine, a args) Value {
			d := NewDict()
			update(m, d, "dict", a)
			return d
		},
		"namespace": func(m *machine, a args) Value {
			d := NewDict()
			update(m, d, "namespace", a)
			return &namespace{d}
		},
		"raise_exception": func(m *machine, a args) Value {
			text := m.str(a.bind(m, "raise_exception", "message").must(0)).s
			if len(text) > 1000 {
				text = strings.ToValidUTF8(text[:1000], "") + "…"
			}
			panic(&Error{Line: m.line, Msg: text, Err: ErrRaised})
		},
		"strftime_now": func(m *machine, a args) Value {
			return m.strftime(a.bind(m, "strftime_now", "format").str(0, ""))
		},
		"joiner": func(m *machine, a args) Value {
			sep, used := a.bind(m, "joiner", "sep").str(0, ", "), false
			return &callable{"joiner", func(m *machine, a args) Value {
				if len(a.names) > 0 {
					return undefined("joiner has no attribute %.60q", a.names[0])
				}
				if !used {
					used = true
					return Str{}
				}
				return sep
			}}
		},
		"cycler": cycler,
	} {
		globals.vars[name] = &callable{name, f}
	}
}

func rangeOf(m *machine, a args) Value {
	p := a.bind(m, "range", "start", "stop", "step")
	from, to, step := 0, 0, p.int(2, 1)
	if len(a.pos) == 1 {
		to = p.int(0, 0)
	} else {
		p.must(1)
		from, to = p.int(0, 0), p.int(1, 0)
	}
	if step == 0 {
		m.fail("the step of range is zero")
	}
	n := 0
	if step > 0 && to > from {
		n = (to - from + step - 1) / step
	} else if step < 0 && to < from {
		n = (from - to - step - 1) / -step
	}
	if n > maxRange {
		m.exceeded("range: %d numbers, more than %d", n, maxRange)
	}
	l := m.list(make([]Value, n))
	for i := range l.items {
		l.items[i] = int64(from + i*step)
	}
	return l
}

// cycler gives its values in turn: next(), reset() and current.
func cycler(m *machine, a args) Value {
	values, at := a.pos, 0
	if len(values) == 0 {
		m.fail("cycler needs values")
	}
	return &callable{"cycler", func(m *machine, a args) Value {
		if len(a.names) != 1 {
			m.fail("a cycler cannot be called")
		}
		switch a.names[0] {
		case "current":
			return values[at]
		case "next":
			return &callable{"next", func(m *machine, _ args) Value {
				v := values[at]
				at = (at + 1) % len(values)
				return v
			}}
		case "reset":
			return &callable{"reset", func(m *machine, _ args) Value { at = 0; return nil }}
		}
		return undefined("cycler has no attribute %.60q", a.names[0])
	}}
}

// strftime writes the machine's time as C's strftime does in the C locale.
func (m *machine) strftime(f Str) Value {
	t, b := m.now, m.builder()
	plain := map[byte]string{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January", 'd': "02", 'e': "_2", 'm': "01", 'y': "06", 'Y': "2006",
		'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'j': "002", 'Z': "MST", 'z': "-0700",
		'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'R': "15:04", 'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05",
	}
	for i := 0; i < len(f.s); i++ {
		if f.s[i] != '%' || i+1 == len(f.s) {
			b.part(f, i, i+1)
			continue
		}
		i++
		unpadded := f.s[i] == '-' && i+1 < len(f.s)
		if unpadded {
			i++
		}
		text, ok := "", true
		switch c := f.s[i]; c {
		case '%':
			text = "%"
		case 'n':
			text = "\n"
		case 't':
			text = "\t"
		case 'f':
			text = t.Format(".000000")[1:]
		case 's':
			text = strconv.FormatInt(t.Unix(), 10)
		case 'u':
			text = strconv.Itoa((int(t.Weekday())+6)%7 + 1)
		case 'w':
			text = strconv.Itoa(int(t.Weekday()))
		default:
			var layout string
			if layout, ok = plain[c]; ok {
				text = t.Format(layout)
			}
		}
		if !ok {
			m.fail("strftime_now: unknown %%%c", f.s[i])
		}
		if unpadded {
			if text = strings.TrimLeft(text, "0 "); text == "" {
				text = "0"
			}
		}
		b.clean(text)
	}
	return b.done()
}
