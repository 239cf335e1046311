package jinja

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// method is a method of a value bound to it, nil where there is none of that name. The
// names that Python's types have are methods even where they cannot be called here,
// since they hide the keys of a dictionary.
func method(v Value, name string) Value {
	switch v := v.(type) {
	case Str:
		if f, ok := strMethods[name]; ok {
			return &callable{name, func(m *machine, a args) Value { return f(m, v, a) }}
		}
	case *Dict:
		if f, ok := dictMethods[name]; ok {
			return &callable{name, func(m *machine, a args) Value { return f(m, v, a) }}
		}
		if name == "fromkeys" {
			return &callable{name, func(m *machine, a args) Value { m.fail("%s is not supported", name); return nil }}
		}
	case *List:
		if f, ok := listMethods[name]; ok && (!v.tuple || name == "count" || name == "index") {
			return &callable{name, func(m *machine, a args) Value { return f(m, v, a) }}
		}
	}
	return nil
}

var strMethods = map[string]func(m *machine, s Str, a args) Value{
	"strip": func(m *machine, s Str, a args) Value {
		return m.strip(s, a.bind(m, "strip", "chars").or(0, nil), true, true)
	},
	"lstrip": func(m *machine, s Str, a args) Value {
		return m.strip(s, a.bind(m, "lstrip", "chars").or(0, nil), true, false)
	},
	"rstrip": func(m *machine, s Str, a args) Value {
		return m.strip(s, a.bind(m, "rstrip", "chars").or(0, nil), false, true)
	},
	"split":  splitMethod(false),
	"rsplit": splitMethod(true),
	"splitlines": func(m *machine, s Str, a args) Value {
		return m.lines(s, a.bind(m, "splitlines", "keepends").truth(0, false))
	},
	"partition":  partition(strings.Index, false),
	"rpartition": partition(strings.LastIndex, true),
	"startswith": affix(strings.HasPrefix),
	"endswith":   affix(strings.HasSuffix),
	"removeprefix": func(m *machine, s Str, a args) Value {
		p := a.bind(m, "removeprefix", "prefix")
		p.must(0)
		return m.cut(s, len(s.s)-len(strings.TrimPrefix(s.s, p.str(0, "").s)), len(s.s))
	},
	"removesuffix": func(m *machine, s Str, a args) Value {
		p := a.bind(m, "removesuffix", "suffix")
		p.must(0)
		return m.cut(s, 0, len(strings.TrimSuffix(s.s, p.str(0, "").s)))
	},
	"replace": func(m *machine, s Str, a args) Value {
		p := a.bind(m, "replace", "old", "new", "count")
		p.must(0)
		p.must(1)
		return m.replace(s, p.str(0, ""), p.str(1, ""), p.int(2, -1))
	},
	"upper":      func(m *machine, s Str, a args) Value { return m.mapRunes(s, upper) },
	"lower":      func(m *machine, s Str, a args) Value { return m.mapRunes(s, lower) },
	"casefold":   func(m *machine, s Str, a args) Value { return m.mapRunes(s, lower) },
	"capitalize": func(m *machine, s Str, a args) Value { return m.capitalize(s) },
	"title": func(m *machine, s Str, a args) Value {
		return m.title(s, func(r rune) bool { return !unicode.IsLetter(r) })
	},
	"swapcase": func(m *machine, s Str, a args) Value {
		return m.mapRunes(s, func(r rune) string {
			if unicode.IsUpper(r) {
				return lower(r)
			}
			return upper(r)
		})
	},
	"find":  find(strings.Index, true),
	"rfind": find(strings.LastIndex, true),
	"index": find(strings.Index, false),
	"count": func(m *machine, s Str, a args) Value {
		p := a.bind(m, "count", "sub")
		p.must(0)
		m.work(len(s.s))
		return int64(strings.Count(s.s, p.str(0, "").s))
	},
	"join": func(m *machine, s Str, a args) Value {
		items := m.iterate(a.bind(m, "join", "iterable").must(0))
		for i, v := range items {
			if _, ok := v.(Str); !ok {
				m.fail("join: element %d is %s, not a string", i, m.kind(v))
			}
		}
		return m.join(items, s)
	},
	"format": func(m *machine, s Str, a args) Value { return m.format(s, a) },
	"center": padMethod(true, true),
	"ljust":  padMethod(false, true),
	"rjust":  padMethod(true, false),
	"zfill": func(m *machine, s Str, a args) Value {
		p := a.bind(m, "zfill", "width")
		p.must(0)
		n := b2i(strings.HasPrefix(s.s, "+") || strings.HasPrefix(s.s, "-"))
		return m.concat(m.cut(s, 0, n), m.pad(m.cut(s, n, len(s.s)), p.int(0, 0)-n, "0", true, false))
	},
	"isdigit":   every(unicode.IsDigit),
	"isdecimal": every(unicode.IsDigit),
	"isnumeric": every(unicode.IsNumber),
	"isalpha":   every(unicode.IsLetter),
	"isalnum":   every(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }),
	"isspace":   every(isSpace),
	"islower":   func(m *machine, s Str, a args) Value { return tests["lower"](m, s, a) },
	"isupper":   func(m *machine, s Str, a args) Value { return tests["upper"](m, s, a) },
}

func splitMethod(last bool) func(*machine, Str, args) Value {
	return func(m *machine, s Str, a args) Value {
		p := a.bind(m, "split", "sep", "maxsplit")
		if p.or(0, nil) == nil {
			return m.fields(s, p.int(1, -1), last)
		}
		return m.split(s, p.str(0, ""), p.int(1, -1), last)
	}
}

func partition(at func(s, sep string) int, last bool) func(*machine, Str, args) Value {
	return func(m *machine, s Str, a args) Value {
		p := a.bind(m, "partition", "sep")
		p.must(0)
		sep := p.str(0, "")
		if sep.s == "" {
			m.fail("partition needs a separator that is not empty")
		}
		m.alloc(192 + len(s.s)>>4)
		switch i := at(s.s, sep.s); {
		case i >= 0:
			return &List{[]Value{m.cut(s, 0, i), sep, m.cut(s, i+len(sep.s), len(s.s))}, true}
		case last:
			return &List{[]Value{Str{}, Str{}, s}, true}
		}
		return &List{[]Value{s, Str{}, Str{}}, true}
	}
}

// affix is startswith or endswith: of one text, or one of a tuple.
func affix(has func(s, part string) bool) func(*machine, Str, args) Value {
	return func(m *machine, s Str, a args) Value {
		v := a.bind(m, "startswith or endswith", "part").must(0)
		parts := []Value{v}
		if t, ok := v.(*List); ok && t.tuple {
			parts = t.items
		}
		for _, p := range parts {
			t, ok := p.(Str)
			if !ok {
				m.fail("startswith and endswith need a string, not %s", m.kind(p))
			}
			m.work(len(t.s))
			if has(s.s, t.s) {
				return true
			}
		}
		return false
	}
}

// find gives the character at which a text begins; where there is none, -1 or an error.
func find(at func(s, sub string) int, quiet bool) func(*machine, Str, args) Value {
	return func(m *machine, s Str, a args) Value {
		p := a.bind(m, "find", "sub", "start", "end")
		p.must(0)
		n := m.runes(s)
		clip := func(i int) int {
			if i < 0 {
				i += n
			}
			return min(max(i, 0), n)
		}
		from, to := clip(p.int(1, 0)), clip(p.int(2, n))
		if from <= to {
			i, j := m.offset(s.s, from), m.offset(s.s, to)
			if k := at(s.s[i:j], p.str(0, "").s); k >= 0 {
				return int64(from + utf8.RuneCountInString(s.s[i:i+k]))
			}
		}
		if !quiet {
			m.fail("index: the text is not there")
		}
		return int64(-1)
	}
}

func padMethod(left, right bool) func(*machine, Str, args) Value {
	return func(m *machine, s Str, a args) Value {
		p := a.bind(m, "center, ljust or rjust", "width", "fillchar")
		p.must(0)
		fill := p.str(1, " ")
		if utf8.RuneCountInString(fill.s) != 1 {
			m.fail("the fill is not one character")
		}
		return m.pad(s, p.int(0, 0), fill.s, left, right)
	}
}

func every(is func(r rune) bool) func(*machine, Str, args) Value {
	return func(m *machine, s Str, a args) Value {
		m.work(len(s.s))
		return s.s != "" && strings.IndexFunc(s.s, func(r rune) bool { return !is(r) }) < 0
	}
}

var dictMethods = map[string]func(m *machine, d *Dict, a args) Value{
	"keys":   func(m *machine, d *Dict, a args) Value { return m.list(slices.Clone(d.keys)) },
	"values": func(m *machine, d *Dict, a args) Value { return m.list(slices.Clone(d.values)) },
	"items":  func(m *machine, d *Dict, a args) Value { return m.items(d) },
	"get": func(m *machine, d *Dict, a args) Value {
		p := a.bind(m, "get", "key", "default")
		if v, ok := d.at(m.hash(p.must(0))); ok {
			return v
		}
		return p.or(1, nil)
	},
	"setdefault": func(m *machine, d *Dict, a args) Value {
		p := a.bind(m, "setdefault", "key", "default")
		if v, ok := d.at(m.hash(p.must(0))); ok {
			return v
		}
		m.setItem(d, p.must(0), p.or(1, nil))
		return p.or(1, nil)
	},
	"pop": func(m *machine, d *Dict, a args) Value {
		p := a.bind(m, "pop", "key", "default")
		h := m.hash(p.must(0))
		v, ok := d.at(h)
		if !ok {
			if !p.given[1] {
				m.fail("pop: there is no key %.60s", m.repr(p.vals[0]).s)
			}
			return p.vals[1]
		}
		m.allocN(d.Len(), 32)
		d.remove(h)
		return v
	},
	"popitem": func(m *machine, d *Dict, a args) Value {
		if d.Len() == 0 {
			m.fail("popitem: the dict is empty")
		}
		k, v := d.keys[d.Len()-1], d.values[d.Len()-1]
		m.allocN(d.Len(), 32)
		d.remove(m.hash(k))
		return pair(k, v)
	},
	"update": func(m *machine, d *Dict, a args) Value { update(m, d, "update", a); return nil },
	"clear": func(m *machine, d *Dict, a args) Value {
		*d = *NewDict()
		return nil
	},
	"copy": func(m *machine, d *Dict, a args) Value {
		c := NewDict()
		update(m, c, "copy", args{pos: []Value{d}})
		return c
	},
}

// update sets what the arguments hold: a dictionary or pairs, and names.
func update(m *machine, d *Dict, name string, a args) {
	if len(a.pos) > 1 {
		m.fail("%s takes one argument at most, besides those with names", name)
	}
	if len(a.pos) == 1 {
		if from, ok := a.pos[0].(*Dict); ok {
			for i := range from.keys {
				m.setItem(d, from.keys[i], from.values[i])
			}
		} else {
			for _, p := range m.iterate(a.pos[0]) {
				kv := m.iterate(p)
				if len(kv) != 2 {
					m.fail("%s needs pairs", name)
				}
				m.setItem(d, kv[0], kv[1])
			}
		}
	}
	for i, n := range a.names {
		m.setItem(d, clean(n), a.kw[i])
	}
}

// items is a dictionary's pairs.
func (m *machine) items(d *Dict) Value {
	m.allocN(d.Len(), 128)
	l := &List{items: make([]Value, d.Len())}
	for i := range d.keys {
		l.items[i] = pair(d.keys[i], d.values[i])
	}
	return l
}

var listMethods = map[string]func(m *machine, l *List, a args) Value{
	"append": func(m *machine, l *List, a args) Value {
		m.alloc(64)
		l.items = append(l.items, a.bind(m, "append", "object").must(0))
		return nil
	},
	"extend": func(m *machine, l *List, a args) Value {
		items := m.iterate(a.bind(m, "extend", "iterable").must(0))
		m.allocN(len(items), 16)
		l.items = append(l.items, items...)
		return nil
	},
	"insert": func(m *machine, l *List, a args) Value {
		p := a.bind(m, "insert", "index", "object")
		p.must(0)
		i := p.int(0, 0)
		if i < 0 {
			i += len(l.items)
		}
		m.allocN(len(l.items)+1, 16)
		l.items = slices.Insert(slices.Clone(l.items), min(max(i, 0), len(l.items)), p.must(1))
		return nil
	},
	"pop": func(m *machine, l *List, a args) Value {
		i, ok := index(a.bind(m, "pop", "index").or(0, int64(-1)), len(l.items))
		if !ok {
			m.fail("pop: there is no such element")
		}
		v := l.items[i]
		m.remove(l, i)
		return v
	},
	"remove": func(m *machine, l *List, a args) Value {
		m.remove(l, m.place(l, "remove", a))
		return nil
	},
	"index": func(m *machine, l *List, a args) Value {
		return int64(m.place(l, "index", a))
	},
	"count": func(m *machine, l *List, a args) Value {
		v, n := a.bind(m, "count", "value").must(0), int64(0)
		for _, x := range l.items {
			n += int64(b2i(m.equal(x, v)))
		}
		return n
	},
	"reverse": func(m *machine, l *List, a args) Value {
		m.allocN(len(l.items), 16)
		l.items = slices.Clone(l.items)
		slices.Reverse(l.items)
		return nil
	},
	"sort": func(m *machine, l *List, a args) Value {
		l.items = m.sorted(l.items, nil, a.bind(m, "sort", "reverse").truth(0, false))
		return nil
	},
	"clear": func(m *machine, l *List, a args) Value { l.items = nil; return nil },
	"copy":  func(m *machine, l *List, a args) Value { return m.list(slices.Clone(l.items)) },
}

// place is where a list has the value that a method is given.
func (m *machine) place(l *List, method string, a args) int {
	v := a.bind(m, method, "value").must(0)
	i := slices.IndexFunc(l.items, func(x Value) bool { return m.equal(x, v) })
	if i < 0 {
		m.fail("%s: there is no such element", method)
	}
	return i
}

// remove takes element i out of a list; whoever goes through it sees it as it was.
func (m *machine) remove(l *List, i int) {
	m.allocN(len(l.items), 16)
	l.items = slices.Delete(slices.Clone(l.items), i, i+1)
}
