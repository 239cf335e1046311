package jinja

import (
	"slices"
)

// args are the arguments of a call.
type args struct {
	pos   []Value
	names []string // of kw
	kw    []Value
}

func (m *machine) args(e argExprs, s *scope) (a args) {
	for _, x := range e.pos {
		a.pos = append(a.pos, m.eval(x, s))
	}
	for _, x := range e.kw {
		a.kw = append(a.kw, m.eval(x, s))
	}
	a.names = slices.Clone(e.names)
	return a
}

// bound are arguments by the names of parameters; absent ones hold nothing.
type bound struct {
	m      *machine
	name   string
	params []string
	vals   []Value
	given  []bool
}

// bind lays arguments out by parameters.
func (a args) bind(m *machine, name string, params ...string) *bound {
	b := &bound{m, name, params, make([]Value, len(params)), make([]bool, len(params))}
	if len(a.pos) > len(params) {
		m.fail("%s takes %d arguments, not %d", name, len(params), len(a.pos))
	}
	for i, v := range a.pos {
		b.vals[i], b.given[i] = v, true
	}
	for i, n := range a.names {
		k := slices.Index(params, n)
		if k < 0 || b.given[k] {
			m.fail("%s takes no argument %.60q, or not twice", name, n)
		}
		b.vals[k], b.given[k] = a.kw[i], true
	}
	return b
}

// must is an argument that has to be there.
func (b *bound) must(i int) Value {
	if !b.given[i] {
		b.m.fail("%s needs the argument %s", b.name, b.params[i])
	}
	return b.vals[i]
}

// or is an argument, or else d.
func (b *bound) or(i int, d Value) Value {
	if !b.given[i] {
		return d
	}
	return b.vals[i]
}

// str is an argument that is a string, or else d.
func (b *bound) str(i int, d string) Str {
	if !b.given[i] {
		return clean(d)
	}
	s, ok := b.vals[i].(Str)
	if !ok {
		b.m.fail("%s: %s is %s, not a string", b.name, b.params[i], b.m.kind(b.vals[i]))
	}
	return s
}

// int is an argument that is an integer, or else d.
func (b *bound) int(i, d int) int {
	if !b.given[i] {
		return d
	}
	switch v := b.vals[i].(type) {
	case int64:
		return int(min(max(v, -1<<40), 1<<40))
	case bool:
		return b2i(v)
	}
	b.m.fail("%s: %s is %s, not an integer", b.name, b.params[i], b.m.kind(b.vals[i]))
	return 0
}

// truth is an argument as a condition, or else d.
func (b *bound) truth(i int, d bool) bool {
	if !b.given[i] {
		return d
	}
	return b.m.truth(b.vals[i])
}
