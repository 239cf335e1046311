package jinja

import (
	"context"
	"slices"
	"time"
)

// scope holds the names set in a block; what is not there is in the one around it.
type scope struct {
	vars   map[string]Value // nil: none yet
	parent *scope
}

func (s *scope) get(name string) (Value, bool) {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

func (s *scope) set(m *machine, name string, v Value) {
	m.alloc(64)
	if s.vars == nil {
		s.vars = map[string]Value{}
	}
	s.vars[name] = v
}

// Render gives the template's text with these variables; now is what strftime_now
// shows, in its own time zone. Errors are *Error: of ErrLimit beyond the limits, of
// ErrRaised where the template refuses, of the context's error.
func (t *Template) Render(ctx context.Context, vars *Dict, now time.Time) (text Text, err error) {
	defer caught(&err)
	m := &machine{ctx: ctx, lim: t.limits, now: now}
	if err := ctx.Err(); err != nil {
		return Text{}, &Error{Msg: err.Error(), Err: err}
	}
	given := &scope{vars: map[string]Value{}, parent: globals}
	for i, k := range vars.keys {
		if k, ok := k.(Str); ok {
			given.vars[k.s] = vars.values[i]
		}
	}
	out := &builder{m: m, limit: t.limits.Output}
	m.run(t.body, &scope{parent: given}, out)
	s := out.done()
	return Text{s.s, s.t}, nil
}

// run executes a body up to a jump.
func (m *machine) run(body []stmt, s *scope, out *builder) signal {
	m.down()
	defer m.up()
	for _, n := range body {
		m.step()
		if sig := n.exec(m, s, out); sig != goesOn {
			return sig
		}
	}
	return goesOn
}

// capture runs a body into a string.
func (m *machine) capture(body []stmt, s *scope) Str {
	b := &builder{m: m, limit: m.lim.Output}
	m.run(body, s, b)
	return b.done()
}

// down counts a level of the walk; up ends it.
func (m *machine) down() {
	if m.depth++; m.depth > maxEval {
		m.exceeded("the walk is more than %d deep", maxEval)
	}
}

func (m *machine) up() { m.depth-- }

// call counts a macro within another; the function it gives ends it.
func (m *machine) call(name string) (done func()) {
	if m.calls++; m.calls > m.lim.Depth {
		m.exceeded("calls are nested more than %d deep, the last of %.60q", m.lim.Depth, name)
	}
	return func() { m.calls-- }
}

func (n *textStmt) exec(m *machine, s *scope, out *builder) signal {
	out.clean(n.text)
	return goesOn
}

func (n *outputStmt) exec(m *machine, s *scope, out *builder) signal {
	m.line = n.line
	out.str(m.str(m.eval(n.e, s)))
	return goesOn
}

func (n *ifStmt) exec(m *machine, s *scope, out *builder) signal {
	for i, c := range n.conds {
		if m.truth(m.eval(c, s)) {
			return m.run(n.bodies[i], s, out)
		}
	}
	return m.run(n.other, s, out)
}

func (n *jumpStmt) exec(m *machine, s *scope, out *builder) signal { return n.to }

func (n *setStmt) exec(m *machine, s *scope, out *builder) signal {
	m.line = n.line
	m.assign(n.target, m.eval(n.value, s), s)
	return goesOn
}

func (n *setBlockStmt) exec(m *machine, s *scope, out *builder) signal {
	m.assign(n.target, m.filtered(n.filter, m.capture(n.body, &scope{parent: s}), s), s)
	return goesOn
}

func (n *filterStmt) exec(m *machine, s *scope, out *builder) signal {
	out.str(m.str(m.filtered(n.filter, m.capture(n.body, &scope{parent: s}), s)))
	return goesOn
}

// filtered applies the filters of a block to its text.
func (m *machine) filtered(f expr, text Str, s *scope) Value {
	if f == nil {
		return text
	}
	inner := &scope{parent: s}
	inner.set(m, blockTextName, text)
	return m.eval(f, inner)
}

func (n *withStmt) exec(m *machine, s *scope, out *builder) signal {
	m.line = max(n.line, m.line)
	inner := &scope{parent: s}
	for i, t := range n.targets {
		m.assign(t, m.eval(n.values[i], s), inner)
	}
	return m.run(n.body, inner, out)
}

// assign sets a target in a scope.
func (m *machine) assign(target expr, v Value, s *scope) {
	switch t := target.(type) {
	case *nameExpr:
		s.set(m, t.name, v)
	case *nsTarget:
		ns, _ := s.get(t.ns)
		n, ok := ns.(*namespace)
		if !ok {
			m.fail("cannot set an attribute of %.60q, which is no namespace", t.ns)
		}
		m.setItem(n.attrs, clean(t.attr), v)
	case *listExpr:
		items := m.iterate(v)
		if len(items) != len(t.items) {
			m.fail("%d values for %d names", len(items), len(t.items))
		}
		for i, x := range t.items {
			m.assign(x, items[i], s)
		}
	}
}

func (n *nsTarget) eval(m *machine, s *scope) Value { return nil }

// loop is what a loop's body knows as loop.
type loop struct {
	node  *forStmt
	scope *scope // around the loop
	items []Value
	index int
	depth int
	last  []Value // the arguments of changed
}

func (n *forStmt) exec(m *machine, s *scope, out *builder) signal {
	m.line = n.line
	m.loop(n, m.eval(n.iter, s), s, out, 0)
	return goesOn
}

// loop runs a loop over a value, at a depth of recursion.
func (m *machine) loop(n *forStmt, over Value, s *scope, out *builder, depth int) {
	m.down()
	defer m.up()
	items := m.iterate(over)
	m.allocN(len(items), 16)
	items = slices.Clone(items) // the body may change what it runs over
	if n.cond != nil {
		kept := items[:0]
		for _, v := range items {
			m.step()
			inner := &scope{parent: s}
			m.assign(n.target, v, inner)
			if m.truth(m.eval(n.cond, inner)) {
				kept = append(kept, v)
			}
		}
		items = kept
	}
	l := &loop{node: n, scope: s, items: items, depth: depth}
	for i, v := range items {
		m.step()
		m.line = n.line
		l.index = i
		inner := &scope{parent: s}
		inner.set(m, "loop", l)
		m.assign(n.target, v, inner)
		if m.run(n.body, inner, out) == breaks {
			break
		}
	}
	if len(items) == 0 {
		m.run(n.other, &scope{parent: s}, out)
	}
}

// attr is an attribute of loop, nil and false for one it does not have.
func (l *loop) attr(m *machine, name string) (Value, bool) {
	n := len(l.items)
	at := func(i int, what string) Value {
		if i < 0 || i >= n {
			return undefined("there is no %s item", what)
		}
		return l.items[i]
	}
	switch name {
	case "index":
		return int64(l.index + 1), true
	case "index0":
		return int64(l.index), true
	case "revindex":
		return int64(n - l.index), true
	case "revindex0":
		return int64(n - l.index - 1), true
	case "first":
		return l.index == 0, true
	case "last":
		return l.index == n-1, true
	case "length":
		return int64(n), true
	case "depth":
		return int64(l.depth + 1), true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		return at(l.index-1, "previous"), true
	case "nextitem":
		return at(l.index+1, "next"), true
	case "cycle":
		return &callable{name, func(m *machine, a args) Value {
			if len(a.pos) == 0 {
				m.fail("cycle needs values")
			}
			return a.pos[l.index%len(a.pos)]
		}}, true
	case "changed":
		return &callable{name, func(m *machine, a args) Value {
			before := l.last
			l.last = a.pos
			return before == nil || !m.equal(&List{items: before}, &List{items: a.pos})
		}}, true
	}
	return nil, false
}

// again runs a recursive loop over another value.
func (l *loop) again(m *machine, a args) Value {
	if !l.node.recursive {
		m.fail("loop is called, but the loop is not recursive")
	}
	over := a.bind(m, "loop", "iterable")
	defer m.call("loop")()
	b := &builder{m: m, limit: m.lim.Output}
	m.loop(l.node, over.must(0), l.scope, b, l.depth+1)
	return b.done()
}

// macro is a macro that can be called.
type macro struct {
	def   *macroDef
	scope *scope // around its tag
}

func (n *macroStmt) exec(m *machine, s *scope, out *builder) signal {
	s.set(m, n.name, &macro{n.def, s})
	return goesOn
}

func (n *callStmt) exec(m *machine, s *scope, out *builder) signal {
	m.line = n.call.line
	f := m.eval(n.call.f, s)
	a := m.args(n.call.args, s)
	a.names, a.kw = append(a.names, "caller"), append(a.kw, &macro{n.def, s})
	out.str(m.str(m.apply(f, a)))
	return goesOn
}

func (f *macro) call(m *machine, a args) Value {
	defer m.call(f.def.name)()
	d := f.def
	s := &scope{parent: f.scope}
	if len(a.pos) > len(d.params) && !d.varargs {
		m.fail("%.60s takes %d arguments, not %d", d.name, len(d.params), len(a.pos))
	}
	rest := NewDict()
	for i, name := range a.names {
		switch k := slices.Index(d.params, name); {
		case k >= 0 && k < len(a.pos):
			m.fail("%.60s gets %.60q twice", d.name, name)
		case k >= 0:
			s.set(m, name, a.kw[i])
		case name == "caller":
			s.set(m, name, a.kw[i])
		case d.kwargs:
			m.setItem(rest, clean(name), a.kw[i])
		default:
			m.fail("%.60s takes no argument %.60q", d.name, name)
		}
	}
	for i, name := range d.params {
		if _, given := s.vars[name]; given {
			continue
		}
		switch k := i - len(d.params) + len(d.defaults); {
		case i < len(a.pos):
			s.set(m, name, a.pos[i])
		case k >= 0:
			s.set(m, name, m.eval(d.defaults[k], s))
		default:
			s.set(m, name, undefined("parameter %q was not provided", name))
		}
	}
	if d.varargs {
		extra := a.pos[min(len(a.pos), len(d.params)):]
		s.set(m, "varargs", &List{items: extra, tuple: true})
	}
	if d.kwargs {
		s.set(m, "kwargs", rest)
	}
	if _, ok := s.vars["caller"]; !ok && d.caller {
		s.set(m, "caller", undefined("no caller defined"))
	}
	return m.capture(d.body, s)
}
