package jinja

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// filters are what may stand behind |. The table is filled by init, since map and its
// kind look into it.
var filters map[string]func(m *machine, v Value, a args) Value

func init() {
	text := func(f func(m *machine, s Str) Value) func(*machine, Value, args) Value {
		return func(m *machine, v Value, a args) Value {
			a.bind(m, "the filter")
			return f(m, m.str(v))
		}
	}
	filters = map[string]func(m *machine, v Value, a args) Value{
		"tojson": tojson,
		"trim": func(m *machine, v Value, a args) Value {
			return m.strip(m.str(v), a.bind(m, "trim", "chars").or(0, nil), true, true)
		},
		"default": orDefault, "d": orDefault,
		"length": length, "count": length,
		"items": func(m *machine, v Value, a args) Value {
			switch v := v.(type) {
			case *Undefined:
				return &List{}
			case *Dict:
				return m.items(v)
			}
			m.fail("items: %s is no mapping", m.kind(v))
			return nil
		},
		"upper":      text(func(m *machine, s Str) Value { return m.mapRunes(s, upper) }),
		"lower":      text(func(m *machine, s Str) Value { return m.mapRunes(s, lower) }),
		"capitalize": text(func(m *machine, s Str) Value { return m.capitalize(s) }),
		"title": text(func(m *machine, s Str) Value {
			return m.title(s, func(r rune) bool { return isSpace(r) || strings.ContainsRune("-({[<", r) })
		}),
		"string": text(func(m *machine, s Str) Value { return s }),
		"safe":   text(func(m *machine, s Str) Value { return s }),
		"wordcount": text(func(m *machine, s Str) Value {
			m.work(len(s.s))
			return int64(len(strings.FieldsFunc(s.s, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r) })))
		}),
		"escape": text(escape), "e": text(escape),
		"list": func(m *machine, v Value, a args) Value { return m.list(slices.Clone(m.iterate(v))) },
		"replace": func(m *machine, v Value, a args) Value {
			p := a.bind(m, "replace", "old", "new", "count")
			p.must(0)
			p.must(1)
			n := -1
			if p.or(2, nil) != nil {
				n = p.int(2, -1)
			}
			return m.replace(m.str(v), p.str(0, ""), p.str(1, ""), n)
		},
		"join": func(m *machine, v Value, a args) Value {
			p := a.bind(m, "join", "d", "attribute")
			items := m.iterate(v)
			if key := m.getter(p.or(1, nil)); key != nil {
				items = m.mapped(items, key)
			}
			return m.join(items, m.str(p.or(0, Str{})))
		},
		"first": func(m *machine, v Value, a args) Value {
			if items := m.iterate(v); len(items) > 0 {
				return items[0]
			}
			return undefined("first: the sequence is empty")
		},
		"last": func(m *machine, v Value, a args) Value {
			if items := m.iterate(v); len(items) > 0 {
				return items[len(items)-1]
			}
			return undefined("last: the sequence is empty")
		},
		"map": mapFilter, "select": selecting(true, false), "reject": selecting(false, false),
		"selectattr": selecting(true, true), "rejectattr": selecting(false, true),
		"sort": func(m *machine, v Value, a args) Value {
			p := a.bind(m, "sort", "reverse", "case_sensitive", "attribute")
			return &List{items: m.sorted(m.iterate(v), m.key(p.or(2, nil), p.truth(1, false)), p.truth(0, false))}
		},
		"dictsort": dictsort,
		"unique": func(m *machine, v Value, a args) Value {
			p := a.bind(m, "unique", "case_sensitive", "attribute")
			key, seen, out := m.key(p.or(1, nil), p.truth(0, false)), map[string]bool{}, []Value{}
			for _, x := range m.iterate(v) {
				if h := m.hash(key(x)); !seen[h] {
					m.alloc(96)
					seen[h], out = true, append(out, x)
				}
			}
			return &List{items: out}
		},
		"reverse": func(m *machine, v Value, a args) Value {
			items := m.list(slices.Clone(m.iterate(v)))
			slices.Reverse(items.items)
			if _, ok := v.(Str); ok {
				return m.join(items.items, Str{})
			}
			return items
		},
		"min": extreme(-1), "max": extreme(1),
		"sum": func(m *machine, v Value, a args) Value {
			p := a.bind(m, "sum", "attribute", "start")
			key, total := m.getter(p.or(0, nil)), p.or(1, int64(0))
			for _, x := range m.iterate(v) {
				if key != nil {
					x = key(x)
				}
				total = m.operate("+", total, x)
			}
			return total
		},
		"int": toInt, "float": toFloat, "abs": func(m *machine, v Value, a args) Value {
			if f, ok := v.(float64); ok {
				return math.Abs(f)
			}
			if i, _, isInt, ok := number(v); ok && isInt && i < 0 {
				return m.sign("-", v)
			}
			return m.sign("+", v)
		},
		"round": round,
		"indent": func(m *machine, v Value, a args) Value {
			p := a.bind(m, "indent", "width", "first", "blank")
			m.defined(v)
			s, ok := v.(Str)
			if !ok {
				m.fail("indent: %s is no string", m.kind(v))
			}
			by := clean("    ")
			if w, ok := p.or(0, nil).(Str); ok {
				by = w
			} else if p.given[0] {
				by = m.pad(Str{}, p.int(0, 4), " ", true, false)
			}
			return m.indent(s, by, p.truth(1, false), p.truth(2, false))
		},
		"center": func(m *machine, v Value, a args) Value {
			return m.pad(m.str(v), a.bind(m, "center", "width").int(0, 80), " ", true, true)
		},
		"format": func(m *machine, v Value, a args) Value {
			if len(a.names) > 0 {
				d := NewDict()
				update(m, d, "format", args{names: a.names, kw: a.kw})
				return m.percent(m.str(v), d)
			}
			return m.percent(m.str(v), &List{a.pos, true})
		},
		"batch": batch,
		"attr": func(m *machine, v Value, a args) Value {
			name := a.bind(m, "attr", "name").str(0, "").s
			if d, ok := v.(*Dict); ok {
				if f := method(d, name); f != nil {
					return f
				}
				return undefined("dict has no attribute %.60q", name)
			}
			return m.attr(v, name)
		},
	}
}

func orDefault(m *machine, v Value, a args) Value {
	p := a.bind(m, "default", "default_value", "boolean")
	if _, undefined := v.(*Undefined); undefined || p.truth(1, false) && !m.truth(v) {
		return p.or(0, Str{})
	}
	return v
}

func length(m *machine, v Value, a args) Value {
	a.bind(m, "length")
	return int64(m.length(v))
}

func escape(m *machine, s Str) Value {
	b := m.builder()
	b.escaped(s, func(r rune, _ bool) string {
		return map[rune]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '\'': "&#39;", '"': "&#34;"}[r]
	})
	return b.done()
}

func toInt(m *machine, v Value, a args) Value {
	m.defined(v)
	p := a.bind(m, "int", "default", "base")
	d, base := p.or(0, int64(0)), p.int(1, 10)
	switch v := v.(type) {
	case bool:
		return int64(b2i(v))
	case int64, *big.Int:
		return v
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return d
		}
		return m.truncated(v)
	case Str:
		if len(v.s) > 5000 { // no number, for Python either
			return d
		}
		s := strings.ToLower(strings.TrimFunc(v.s, isSpace))
		if base == 16 || base == 8 || base == 2 {
			s = strings.Replace(s, map[int]string{16: "0x", 8: "0o", 2: "0b"}[base], "", 1)
		}
		if base < 2 || base > 36 {
			return d
		}
		if n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), base, 64); err == nil {
			return n
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return m.truncated(f)
		}
	}
	return d
}

// truncated is a float as an integer, towards zero.
func (m *machine) truncated(f float64) Value {
	if !(math.Abs(f) < 1<<63) {
		m.overflow()
	}
	return int64(f)
}

func toFloat(m *machine, v Value, a args) Value {
	m.defined(v)
	d := a.bind(m, "float", "default").or(0, 0.0)
	if s, ok := v.(Str); ok {
		m.work(len(s.s))
		if f, err := strconv.ParseFloat(strings.TrimFunc(s.s, isSpace), 64); err == nil || math.IsInf(f, 0) {
			return f
		}
		return d
	}
	if _, f, _, ok := number(v); ok {
		return f
	}
	return d
}

func round(m *machine, v Value, a args) Value {
	p := a.bind(m, "round", "precision", "method")
	_, f, isInt, ok := number(v)
	digits, method := p.int(0, 0), p.str(1, "common").s
	if !ok || digits > 300 || digits < -300 {
		m.fail("round: %s cannot be rounded to %d digits", m.kind(v), digits)
	}
	scale := math.Pow(10, float64(digits))
	switch {
	case method == "ceil":
		return math.Ceil(f*scale) / scale
	case method == "floor":
		return math.Floor(f*scale) / scale
	case method != "common":
		m.fail("round: the method is none of common, ceil and floor: %.60q", method)
	case digits < 0:
		f = math.RoundToEven(f*scale) / scale
	case !isInt:
		f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'f', digits, 64), 64)
	}
	if isInt {
		return m.truncated(f)
	}
	return f
}

// indent puts by before each line: the first too, blank ones too.
func (m *machine) indent(s, by Str, first, blank bool) Str {
	b := m.builder()
	if first {
		b.str(by)
	}
	lines := m.lines(m.concat(s, clean("\n")), false).items // as jinja2: a last line end counts
	for i, l := range lines {
		l := l.(Str)
		if i > 0 {
			b.clean("\n")
			if blank || l.s != "" {
				b.str(by)
			}
		}
		b.str(l)
	}
	return b.done()
}
