package jinja

// blockTextName is a name that no template can spell: the text of a filter block.
const blockTextName = "\x00text"

// eval evaluates an expression; the depth of the walk and its steps are counted.
func (m *machine) eval(e expr, s *scope) Value {
	m.step()
	m.down()
	v := e.eval(m, s)
	m.up()
	return v
}

func (e *constExpr) eval(m *machine, s *scope) Value { return e.v }

func (e *nameExpr) eval(m *machine, s *scope) Value {
	if v, ok := s.get(e.name); ok {
		return v
	}
	return undefined("%.60q is undefined", e.name)
}

func (e *blockText) eval(m *machine, s *scope) Value {
	v, _ := s.get(blockTextName)
	return v
}

func (e *listExpr) eval(m *machine, s *scope) Value {
	l := m.list(make([]Value, len(e.items)))
	l.tuple = e.tuple
	for i, x := range e.items {
		l.items[i] = m.eval(x, s)
	}
	return l
}

func (e *dictExpr) eval(m *machine, s *scope) Value {
	d := NewDict()
	for i := range e.keys {
		m.setItem(d, m.eval(e.keys[i], s), m.eval(e.values[i], s))
	}
	return d
}

func (e *unaryExpr) eval(m *machine, s *scope) Value {
	v := m.eval(e.a, s)
	if e.op == "not" {
		return !m.truth(v)
	}
	m.line = e.line
	return m.sign(e.op, v)
}

func (e *binaryExpr) eval(m *machine, s *scope) Value {
	a := m.eval(e.a, s)
	switch {
	case e.op == "and" && !m.truth(a), e.op == "or" && m.truth(a):
		return a
	}
	b := m.eval(e.b, s)
	if e.op == "and" || e.op == "or" {
		return b
	}
	m.line = e.line
	return m.operate(e.op, a, b)
}

func (e *concatExpr) eval(m *machine, s *scope) Value {
	parts := make([]Str, len(e.parts))
	for i, p := range e.parts {
		parts[i] = m.str(m.eval(p, s))
	}
	return m.concat(parts...)
}

func (e *compareExpr) eval(m *machine, s *scope) Value {
	a := m.eval(e.first, s)
	for i, op := range e.ops {
		b := m.eval(e.rest[i], s)
		m.line = e.line
		if !m.compares(op, a, b) {
			return false
		}
		a = b
	}
	return true
}

func (e *condExpr) eval(m *machine, s *scope) Value {
	switch {
	case m.truth(m.eval(e.cond, s)):
		return m.eval(e.then, s)
	case e.other == nil:
		return undefined("an inline if without else was false")
	}
	return m.eval(e.other, s)
}

func (e *attrExpr) eval(m *machine, s *scope) Value {
	v := m.eval(e.of, s)
	m.line = e.line
	return m.attr(v, e.name)
}

// attr is v.name: a method or an attribute, else the item of that key.
func (m *machine) attr(v Value, name string) Value {
	m.defined(v)
	switch v := v.(type) {
	case *namespace:
		if x, ok := v.attrs.Get(name); ok {
			return x
		}
	case *loop:
		if x, ok := v.attr(m, name); ok {
			return x
		}
	case *callable:
		if v.name == "cycler" || v.name == "joiner" {
			return v.call(m, args{names: []string{name}, kw: []Value{nil}})
		}
	case *macro:
		if name == "name" {
			return clean(v.def.name)
		}
	}
	if f := method(v, name); f != nil {
		return f
	}
	if d, ok := v.(*Dict); ok {
		if x, ok := d.Get(name); ok {
			return x
		}
	}
	return undefined("%s has no attribute %.60q", m.kind(v), name)
}

func (e *itemExpr) eval(m *machine, s *scope) Value {
	v := m.eval(e.of, s)
	if c, ok := e.key.(*sliceExpr); ok {
		m.defined(v)
		return c.slice(m, v, s)
	}
	key := m.eval(e.key, s)
	m.line = e.line
	return m.item(v, key)
}

// item is v[key]: the item, else the attribute of that name.
func (m *machine) item(v, key Value) Value {
	m.defined(v)
	if u, ok := key.(*Undefined); ok {
		if d, ok := v.(*Dict); !ok || d.Len() > 0 {
			m.fail("%s", u.why)
		}
	}
	switch v := v.(type) {
	case *Dict:
		if l, ok := key.(*List); ok && !l.tuple {
			break
		} else if _, ok := key.(*Dict); ok {
			break
		}
		if x, ok := v.at(m.hash(key)); ok {
			return x
		}
	case *List:
		if i, ok := index(key, len(v.items)); ok {
			return v.items[i]
		}
	case Str:
		if isInt(key) {
			if i, ok := index(key, m.runes(v)); ok {
				at := m.offset(v.s, i)
				return m.cut(v, at, at+width(v.s[at:]))
			}
		}
	}
	if k, ok := key.(Str); ok {
		if d, isDict := v.(*Dict); isDict { // its keys were looked at
			if f := method(d, k.s); f != nil {
				return f
			}
			return undefined("dict has no attribute %.60q", k.s)
		}
		return m.attr(v, k.s)
	}
	return undefined("%s has no element %.60s", m.kind(v), m.repr(key).s)
}

func isInt(v Value) bool {
	switch v.(type) {
	case int64, bool:
		return true
	}
	return false
}

// index is an index into n elements, from the end where negative.
func index(v Value, n int) (int, bool) {
	i, ok := v.(int64)
	if b, is := v.(bool); is {
		i, ok = int64(b2i(b)), true
	}
	if i < 0 {
		i += int64(n)
	}
	return int(i), ok && i >= 0 && i < int64(n)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (e *sliceExpr) eval(m *machine, s *scope) Value { return nil } // only within itemExpr

// slice is v[from:to:step].
func (e *sliceExpr) slice(m *machine, v Value, s *scope) Value {
	n := m.length(v)
	bound := func(x expr, none int) (int, bool) {
		if x == nil {
			return none, false
		}
		switch i := m.eval(x, s).(type) {
		case nil:
			return none, false
		case bool:
			return b2i(i), true
		case int64:
			return int(min(max(i, -1<<40), 1<<40)), true
		default:
			m.fail("a slice needs integers, not %s", m.kind(i))
			return 0, false
		}
	}
	step, _ := bound(e.step, 1)
	if step == 0 {
		m.fail("the step of a slice is zero")
	}
	low, high, from, to := 0, n, 0, n
	if step < 0 {
		low, high, from, to = -1, n-1, n-1, -1
	}
	clip := func(x expr, none int) int {
		i, ok := bound(x, none)
		if ok && i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	from, to = clip(e.from, from), clip(e.to, to)
	switch v := v.(type) {
	case Str:
		if step == 1 {
			if from >= to {
				return Str{}
			}
			return m.cut(v, m.offset(v.s, from), m.offset(v.s, to))
		}
		b, chars := m.builder(), m.iterate(v)
		for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
			b.str(chars[i].(Str))
		}
		return b.done()
	case *List:
		var items []Value
		for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
			m.alloc(16)
			items = append(items, v.items[i])
		}
		return &List{items, v.tuple}
	}
	m.fail("%s cannot be sliced", m.kind(v))
	return nil
}

func (e *callExpr) eval(m *machine, s *scope) Value {
	f := m.eval(e.f, s)
	a := m.args(e.args, s)
	m.line = e.line
	return m.apply(f, a)
}

// apply calls a value.
func (m *machine) apply(f Value, a args) Value {
	m.down()
	defer m.up()
	switch f := f.(type) {
	case *callable:
		return f.call(m, a)
	case *macro:
		return f.call(m, a)
	case *loop:
		return f.again(m, a)
	}
	m.defined(f)
	m.fail("%s cannot be called", m.kind(f))
	return nil
}

func (e *filterExpr) eval(m *machine, s *scope) Value {
	v := m.eval(e.of, s)
	a := m.args(e.args, s)
	m.line = e.line
	return m.filter(e.name, v, a)
}

// filter applies a filter by its name.
func (m *machine) filter(name string, v Value, a args) Value {
	f, ok := filters[name]
	if !ok {
		m.fail("unknown filter %.60q", name)
	}
	return f(m, v, a)
}

func (e *testExpr) eval(m *machine, s *scope) Value {
	v := m.eval(e.of, s)
	a := m.args(e.args, s)
	m.line = e.line
	return m.test(e.name, v, a)
}

// test asks a test by its name.
func (m *machine) test(name string, v Value, a args) bool {
	f, ok := tests[name]
	if !ok {
		m.fail("unknown test %.60q", name)
	}
	return f(m, v, a)
}
