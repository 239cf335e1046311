package jinja

import (
	"math/big"
	"strings"
	"unicode"
)

// tests are what may stand behind is. The table is filled by init, since select and
// its kind look into it.
var tests map[string]func(m *machine, v Value, a args) bool

func init() {
	kind := func(is func(v Value) bool) func(*machine, Value, args) bool {
		return func(m *machine, v Value, a args) bool {
			a.bind(m, "the test")
			return is(v)
		}
	}
	compare := func(op string) func(*machine, Value, args) bool {
		return func(m *machine, v Value, a args) bool { return m.compares(op, v, a.bind(m, op, "other").must(0)) }
	}
	divides := func(want int64, by Value) func(*machine, Value, args) bool {
		return func(m *machine, v Value, a args) bool {
			n := by
			if n == nil {
				n = a.bind(m, "divisibleby", "num").must(0)
			}
			return m.equal(m.operate("%", v, n), want)
		}
	}
	letters := func(to func(string) string) func(*machine, Value, args) bool {
		return func(m *machine, v Value, a args) bool {
			s := m.str(v).s
			m.alloc(len(s))
			return to(s) == s && strings.IndexFunc(s, func(r rune) bool { return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) }) >= 0
		}
	}
	tests = map[string]func(m *machine, v Value, a args) bool{
		"defined":   kind(func(v Value) bool { _, ok := v.(*Undefined); return !ok }),
		"undefined": kind(func(v Value) bool { _, ok := v.(*Undefined); return ok }),
		"none":      kind(func(v Value) bool { return v == nil }),
		"string":    kind(func(v Value) bool { _, ok := v.(Str); return ok }),
		"mapping":   kind(func(v Value) bool { _, ok := v.(*Dict); return ok }),
		"boolean":   kind(func(v Value) bool { _, ok := v.(bool); return ok }),
		"true":      kind(func(v Value) bool { return v == true }),
		"false":     kind(func(v Value) bool { return v == false }),
		"float":     kind(func(v Value) bool { _, ok := v.(float64); return ok }),
		"integer": kind(func(v Value) bool {
			switch v.(type) {
			case int64, *big.Int:
				return true
			}
			return false
		}),
		"number": kind(func(v Value) bool {
			switch v.(type) {
			case int64, *big.Int, float64, bool:
				return true
			}
			return false
		}),
		"iterable": kind(func(v Value) bool {
			switch v.(type) {
			case Str, *List, *Dict, *Undefined, *loop:
				return true
			}
			return false
		}),
		"sequence": kind(func(v Value) bool {
			switch v.(type) {
			case Str, *List, *Dict, *Undefined:
				return true
			}
			return false
		}),
		"callable": kind(func(v Value) bool {
			switch v.(type) {
			case *callable, *macro, *loop, *Undefined:
				return true
			}
			return false
		}),
		"escaped": kind(func(v Value) bool { return false }),
		"filter":  func(m *machine, v Value, a args) bool { s, ok := v.(Str); return ok && filters[s.s] != nil },
		"test":    func(m *machine, v Value, a args) bool { s, ok := v.(Str); return ok && tests[s.s] != nil },
		"lower":   letters(strings.ToLower),
		"upper":   letters(strings.ToUpper),
		"sameas": func(m *machine, v Value, a args) bool {
			w := a.bind(m, "sameas", "other").must(0)
			return m.kind(v) == m.kind(w) && m.equal(v, w)
		},
		"odd": divides(1, int64(2)), "even": divides(0, int64(2)), "divisibleby": divides(0, nil),
		"in": compare("in"),
	}
	for op, names := range map[string]string{"==": "== eq equalto", "!=": "!= ne", "<": "< lt lessthan", "<=": "<= le", ">": "> gt greaterthan", ">=": ">= ge"} {
		for _, n := range strings.Fields(names) {
			tests[n] = compare(op)
		}
	}
}
