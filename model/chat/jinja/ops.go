package jinja

import (
	"cmp"
	"math"
	"math/big"
	"math/bits"
	"strings"
)

// number is a value as a number: an integer, or else a float.
func number(v Value) (i int64, f float64, isInt, ok bool) {
	switch v := v.(type) {
	case bool:
		n := int64(b2i(v))
		return n, float64(n), true, true
	case int64:
		return v, float64(v), true, true
	case float64:
		return 0, v, false, true
	}
	return 0, 0, false, false
}

func (m *machine) overflow() {
	m.fail("an integer is longer than 64 bits")
}

// sign is +v or -v.
func (m *machine) sign(op string, v Value) Value {
	i, f, isInt, ok := number(v)
	m.defined(v)
	switch {
	case !ok:
		m.fail("%s before %s", op, m.kind(v))
	case isInt && op == "-":
		if i == math.MinInt64 {
			m.overflow()
		}
		return -i
	case isInt:
		return i
	case op == "-":
		return -f
	}
	return f
}

// operate is a op b for the operators of arithmetic.
func (m *machine) operate(op string, a, b Value) Value {
	m.defined(a)
	if s, ok := a.(Str); ok && op == "%" {
		return m.percent(s, b)
	}
	m.defined(b)
	ai, af, aInt, aok := number(a)
	bi, bf, bInt, bok := number(b)
	switch {
	case aok && bok && aInt && bInt && op != "/":
		return m.integers(op, ai, bi)
	case aok && bok:
		return m.floats(op, af, bf)
	}
	switch op {
	case "+":
		switch x := a.(type) {
		case Str:
			if y, ok := b.(Str); ok {
				return m.concat(x, y)
			}
		case *List:
			if y, ok := b.(*List); ok && x.tuple == y.tuple {
				m.allocN(len(x.items)+len(y.items), 16)
				return &List{append(append(make([]Value, 0, len(x.items)+len(y.items)), x.items...), y.items...), x.tuple}
			}
		}
	case "*":
		if bInt {
			return m.repeat(a, bi, b)
		}
		if aInt {
			return m.repeat(b, ai, a)
		}
	}
	m.fail("%s %s %s is not possible", m.kind(a), op, m.kind(b))
	return nil
}

// repeat is v * n.
func (m *machine) repeat(v Value, n int64, other Value) Value {
	n = max(n, 0)
	size := func(one int) int {
		if one > 0 && n > int64(m.lim.Memory/one) {
			m.exceeded("more than %d bytes of memory", m.lim.Memory)
		}
		return one * int(n)
	}
	switch v := v.(type) {
	case Str:
		b := m.builder()
		b.grow(size(len(v.s)))
		for range int(n) * b2i(v.s != "") {
			b.str(v)
		}
		return b.done()
	case *List:
		m.allocN(size(len(v.items)), 16)
		l := &List{tuple: v.tuple}
		for range int(n) * b2i(len(v.items) > 0) {
			l.items = append(l.items, v.items...)
		}
		return l
	}
	m.fail("%s * %s is not possible", m.kind(v), m.kind(other))
	return nil
}

func (m *machine) integers(op string, a, b int64) Value {
	switch op {
	case "+":
		if c := a + b; (c > a) == (b > 0) {
			return c
		}
	case "-":
		if c := a - b; (c < a) == (b > 0) {
			return c
		}
	case "*":
		if c, ok := product(a, b); ok {
			return c
		}
	case "//", "%":
		if b == 0 {
			m.fail("division by zero")
		}
		if a == math.MinInt64 && b == -1 {
			break
		}
		q, r := a/b, a%b
		if r != 0 && (r < 0) != (b < 0) {
			q, r = q-1, r+b
		}
		if op == "%" {
			return r
		}
		return q
	case "**":
		if b < 0 {
			return m.floats(op, float64(a), float64(b))
		}
		c, ok := int64(1), true
		for ; b > 0 && ok; b >>= 1 {
			m.step()
			if b&1 == 1 {
				c, ok = product(c, a)
			}
			if b > 1 && ok {
				a, ok = product(a, a)
			}
		}
		if ok {
			return c
		}
	}
	m.overflow()
	return nil
}

// product is a * b, unless it is longer than 64 bits.
func product(a, b int64) (int64, bool) {
	abs := func(n int64) uint64 {
		if n < 0 {
			return -uint64(n)
		}
		return uint64(n)
	}
	hi, lo := bits.Mul64(abs(a), abs(b))
	return a * b, hi == 0 && lo <= math.MaxInt64
}

func (m *machine) floats(op string, a, b float64) Value {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	}
	if b == 0 && op != "**" || a == 0 && b < 0 && op == "**" {
		m.fail("division by zero")
	}
	switch op {
	case "/":
		return a / b
	case "**":
		if a < 0 && b != math.Trunc(b) {
			m.fail("a negative number to the power of a fraction")
		}
		return math.Pow(a, b)
	}
	r := math.Mod(a, b)
	if r != 0 && (r < 0) != (b < 0) {
		r += b
	}
	if op == "%" {
		return math.Copysign(r, b)
	}
	return math.Round((a - r) / b)
}

// equal is a == b.
func (m *machine) equal(a, b Value) bool {
	ai, af, aInt, aok := number(a)
	bi, bf, bInt, bok := number(b)
	if aok && bok {
		if aInt && bInt {
			return ai == bi
		}
		return af == bf
	}
	m.step()
	switch x := a.(type) {
	case nil:
		return b == nil
	case Str:
		y, ok := b.(Str)
		m.work(len(x.s))
		return ok && x.s == y.s
	case *big.Int:
		y, ok := b.(*big.Int)
		return ok && x.Cmp(y) == 0
	case *Undefined:
		_, ok := b.(*Undefined)
		return ok
	case *List:
		y, ok := b.(*List)
		if !ok || x.tuple != y.tuple || len(x.items) != len(y.items) {
			return false
		}
		if x == y {
			return true
		}
		m.enter()
		defer m.leave()
		for i := range x.items {
			if !m.equal(x.items[i], y.items[i]) {
				return false
			}
		}
		return true
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || x.Len() != y.Len() {
			return false
		}
		if x == y {
			return true
		}
		m.enter()
		defer m.leave()
		for h, i := range x.index {
			v, ok := y.at(h)
			if !ok || !m.equal(x.values[i], v) {
				return false
			}
		}
		return true
	case *namespace, *callable, *macro, *loop:
		return a == b
	}
	return false
}

// order is how a and b stand to each other; false if they cannot be compared.
func (m *machine) order(a, b Value) (int, bool) {
	ai, af, aInt, aok := number(a)
	bi, bf, bInt, bok := number(b)
	if aok && bok {
		if aInt && bInt {
			return cmp.Compare(ai, bi), true
		}
		return cmp.Compare(af, bf), true
	}
	switch x := a.(type) {
	case Str:
		if y, ok := b.(Str); ok {
			m.work(min(len(x.s), len(y.s)))
			return strings.Compare(x.s, y.s), true
		}
	case *big.Int:
		if y, ok := b.(*big.Int); ok {
			return x.Cmp(y), true
		}
	case *List:
		y, ok := b.(*List)
		if !ok || x.tuple != y.tuple {
			return 0, false
		}
		m.enter()
		defer m.leave()
		for i := range min(len(x.items), len(y.items)) {
			if !m.equal(x.items[i], y.items[i]) {
				return m.order(x.items[i], y.items[i])
			}
		}
		return cmp.Compare(len(x.items), len(y.items)), true
	}
	return 0, false
}

// less is order for sorting, which fails where there is none.
func (m *machine) less(a, b Value) int {
	m.step()
	m.defined(a)
	m.defined(b)
	c, ok := m.order(a, b)
	if !ok {
		m.fail("%s and %s have no order", m.kind(a), m.kind(b))
	}
	return c
}

// compares is a op b.
func (m *machine) compares(op string, a, b Value) bool {
	switch op {
	case "==":
		return m.equal(a, b)
	case "!=":
		return !m.equal(a, b)
	case "in":
		return m.in(a, b)
	case "not in":
		return !m.in(a, b)
	}
	if f, ok := a.(float64); ok && math.IsNaN(f) {
		return false
	}
	if f, ok := b.(float64); ok && math.IsNaN(f) {
		return false
	}
	switch c := m.less(a, b); op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	default:
		return c >= 0
	}
}

// in reports whether b holds a.
func (m *machine) in(a, b Value) bool {
	switch b := b.(type) {
	case Str:
		m.defined(a)
		s, ok := a.(Str)
		if !ok {
			m.fail("%s in str is not possible", m.kind(a))
		}
		m.work(len(b.s))
		return strings.Contains(b.s, s.s)
	case *Dict:
		_, ok := b.at(m.hash(a))
		return ok
	}
	for _, x := range m.iterate(b) {
		if m.equal(x, a) {
			return true
		}
	}
	return false
}
