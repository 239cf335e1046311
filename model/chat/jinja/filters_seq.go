package jinja

import (
	"slices"
	"strconv"
	"strings"
)

// The filters of sequences, and how attributes and keys are taken from elements.

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
