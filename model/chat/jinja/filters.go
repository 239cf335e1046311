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

// getter gives an element's attribute: a path such as a.0.b, or an index. It is nil
// where none is asked for.
func (m *machine) getter(attribute Value) func(v Value) Value {
	switch a := attribute.(type) {
	case nil:
		return nil
	case int64:
		return func(v Value) Value { return m.item(v, a) }
	case Str:
		m.allocN(strings.Count(a.s, ".")+1, 16)
		parts := strings.Split(a.s, ".")
		return func(v Value) Value {
			for _, p := range parts {
				m.step()
				if n, err := strconv.ParseUint(p, 10, 31); err == nil {
					v = m.item(v, int64(n))
				} else {
					v = m.item(v, clean(p))
				}
			}
			return v
		}
	}
	m.fail("an attribute is a name or an index, not %s", m.kind(attribute))
	return nil
}

// key is what to sort or compare by: attributes, with letters of one case.
func (m *machine) key(attribute Value, caseSensitive bool) func(v Value) Value {
	var parts []func(Value) Value
	if s, ok := attribute.(Str); ok && strings.Contains(s.s, ",") {
		m.allocN(strings.Count(s.s, ",")+1, 64)
		for _, p := range strings.Split(s.s, ",") {
			parts = append(parts, m.getter(clean(p)))
		}
	} else if g := m.getter(attribute); g != nil {
		parts = append(parts, g)
	}
	fold := func(v Value) Value {
		if s, ok := v.(Str); ok && !caseSensitive {
			return m.mapRunes(s, lower)
		}
		return v
	}
	return func(v Value) Value {
		switch len(parts) {
		case 0:
			return fold(v)
		case 1:
			return fold(parts[0](v))
		}
		t := &List{tuple: true}
		for _, p := range parts {
			t.items = append(t.items, fold(p(v)))
		}
		return t
	}
}

// sorted is the elements in the order of their keys; equal ones stay as they are.
func (m *machine) sorted(items []Value, key func(v Value) Value, reverse bool) []Value {
	order, keys := make([]int, len(items)), items
	m.allocN(len(items), 64)
	for i := range order {
		order[i] = i
	}
	if key != nil {
		keys = m.mapped(items, key)
	}
	m.sortIndices(order, keys, reverse)
	out := make([]Value, len(items))
	for i, k := range order {
		out[i] = items[k]
	}
	return out
}

func (m *machine) sortIndices(order []int, keys []Value, reverse bool) {
	slices.SortStableFunc(order, func(i, j int) int {
		if reverse {
			return m.less(keys[j], keys[i])
		}
		return m.less(keys[i], keys[j])
	})
}

func (m *machine) mapped(items []Value, f func(v Value) Value) []Value {
	m.allocN(len(items), 16)
	out := make([]Value, len(items))
	for i, v := range items {
		m.step()
		out[i] = f(v)
	}
	return out
}

func mapFilter(m *machine, v Value, a args) Value {
	if !m.truth(v) { // not even iterated over
		return &List{}
	}
	items := m.iterate(v)
	if len(a.pos) == 0 {
		p := a.bind(m, "map", "attribute", "default")
		key := m.getter(p.must(0))
		if key == nil {
			m.fail("map needs a filter or an attribute")
		}
		return &List{items: m.mapped(items, func(x Value) Value {
			x = key(x)
			if _, ok := x.(*Undefined); ok && p.given[1] {
				return p.vals[1]
			}
			return x
		})}
	}
	name := m.str(a.pos[0]).s
	rest := args{a.pos[1:], a.names, a.kw}
	return &List{items: m.mapped(items, func(x Value) Value { return m.filter(name, x, rest) })}
}

// selecting keeps the elements, or those whose attribute, a test accepts or refuses.
func selecting(want, attr bool) func(m *machine, v Value, a args) Value {
	return func(m *machine, v Value, a args) Value {
		key := func(x Value) Value { return x }
		if attr {
			if len(a.pos) == 0 {
				m.fail("selectattr and rejectattr need an attribute")
			}
			if g := m.getter(a.pos[0]); g != nil {
				key = g
			}
			a.pos = a.pos[1:]
		}
		out := &List{}
		if !m.truth(v) { // not even iterated over
			return out
		}
		for _, x := range m.iterate(v) {
			m.step()
			var is bool
			if len(a.pos) == 0 {
				is = m.truth(key(x))
			} else {
				is = m.test(m.str(a.pos[0]).s, key(x), args{a.pos[1:], a.names, a.kw})
			}
			if is == want {
				m.alloc(16)
				out.items = append(out.items, x)
			}
		}
		return out
	}
}

func dictsort(m *machine, v Value, a args) Value {
	p := a.bind(m, "dictsort", "case_sensitive", "by", "reverse")
	d, ok := v.(*Dict)
	if !ok {
		m.fail("dictsort: %s is no mapping", m.kind(v))
	}
	at := 0
	switch by := p.str(1, "key").s; by {
	case "key":
	case "value":
		at = 1
	default:
		m.fail("dictsort: by is neither key nor value: %.60q", by)
	}
	fold := m.key(nil, p.truth(0, false))
	items := m.items(d).(*List).items
	return &List{items: m.sorted(items, func(x Value) Value { return fold(x.(*List).items[at]) }, p.truth(2, false))}
}

func extreme(sign int) func(m *machine, v Value, a args) Value {
	return func(m *machine, v Value, a args) Value {
		p := a.bind(m, "min or max", "case_sensitive", "attribute")
		items := m.iterate(v)
		if len(items) == 0 {
			return undefined("the sequence is empty")
		}
		keys := m.mapped(items, m.key(p.or(1, nil), p.truth(0, false)))
		best := 0
		for i := range items[1:] {
			if m.less(keys[i+1], keys[best])*sign > 0 {
				best = i + 1
			}
		}
		return items[best]
	}
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

func batch(m *machine, v Value, a args) Value {
	p := a.bind(m, "batch", "linecount", "fill_with")
	p.must(0)
	n := p.int(0, 1)
	if n < 1 {
		m.fail("batch: %d in a row", n)
	}
	items, out := m.iterate(v), &List{}
	for len(items) > 0 {
		row := m.list(slices.Clone(items[:min(n, len(items))]))
		items = items[len(row.items):]
		for fill := p.or(1, nil); fill != nil && len(row.items) < n; {
			m.alloc(16)
			row.items = append(row.items, fill)
		}
		m.alloc(64)
		out.items = append(out.items, row)
	}
	return out
}
