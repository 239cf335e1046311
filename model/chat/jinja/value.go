package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"
)

// Value is a value of a template: nil (none), bool, int64, float64, *big.Int (longer
// than 64 bits, carried only), Str, *List, *Dict, or one that only a template makes.
type Value any

// List is a list or a tuple.
type List struct {
	items []Value
	tuple bool
}

// NewList makes a list.
func NewList(items ...Value) *List { return &List{items: items} }

// Items are the list's elements, which belong to the list.
func (l *List) Items() []Value { return l.items }

// Dict is a dictionary that keeps the order in which keys came.
type Dict struct {
	keys, values []Value
	index        map[string]int // of a key by hash
}

// NewDict makes an empty dictionary.
func NewDict() *Dict { return &Dict{index: map[string]int{}} }

// Set sets the value of a string key.
func (d *Dict) Set(key string, v Value) { d.put("s"+key, clean(key), v) }

// Get is the value of a string key.
func (d *Dict) Get(key string) (Value, bool) { return d.at("s" + key) }

// Len is the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

func (d *Dict) put(hash string, key, v Value) {
	if i, ok := d.index[hash]; ok {
		d.values[i] = v
		return
	}
	d.index[hash] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, v)
}

func (d *Dict) at(hash string) (Value, bool) {
	if i, ok := d.index[hash]; ok {
		return d.values[i], true
	}
	return nil, false
}

func (d *Dict) remove(hash string) {
	at, ok := d.index[hash]
	if !ok {
		return
	}
	d.keys, d.values = append(d.keys[:at:at], d.keys[at+1:]...), append(d.values[:at:at], d.values[at+1:]...)
	delete(d.index, hash)
	for h, i := range d.index {
		if i > at {
			d.index[h] = i - 1
		}
	}
}

// hash is a text that is equal for equal keys; keys that can change have none.
func (m *machine) hash(v Value) string {
	switch v := v.(type) {
	case nil:
		return "z"
	case bool:
		if v {
			return "n1"
		}
		return "n0"
	case int64:
		return "n" + strconv.FormatInt(v, 10)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<62 {
			return "n" + strconv.FormatInt(int64(v), 10)
		}
		return "n" + strconv.FormatFloat(v, 'g', -1, 64)
	case *big.Int:
		return "n" + v.String()
	case Str:
		m.alloc(len(v.s))
		return "s" + v.s
	case *Undefined:
		return "u"
	case *List:
		if v.tuple {
			m.enter()
			defer m.leave()
			h := "t"
			for _, x := range v.items {
				e := m.hash(x)
				m.alloc(len(h) + len(e))
				h += strconv.Itoa(len(e)) + ":" + e
			}
			return h
		}
	case *namespace, *callable, *macro, *loop:
		return fmt.Sprintf("p%p", v)
	}
	m.fail("%s cannot be a key", m.kind(v))
	return ""
}

// setItem and item are for keys that a template gives.
func (m *machine) setItem(d *Dict, key, v Value) {
	m.alloc(96)
	d.put(m.hash(key), key, v)
}

// Undefined is the value of a name or an attribute that is not there. It is empty and
// false; anything else that is done with it fails with why.
type Undefined struct{ why string }

func undefined(format string, a ...any) *Undefined { return &Undefined{fmt.Sprintf(format, a...)} }

// namespace has attributes that a template may set.
type namespace struct{ attrs *Dict }

// callable is a function or a method bound to its value.
type callable struct {
	name string
	call func(m *machine, a args) Value
}

// list makes a list whose elements are counted.
func (m *machine) list(items []Value) *List {
	m.allocN(len(items), 64)
	return &List{items: items}
}

func pair(a, b Value) *List { return &List{items: []Value{a, b}, tuple: true} }

// kind names a value's type as Python does.
func (m *machine) kind(v Value) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case Str:
		return "str"
	case *List:
		if v.tuple {
			return "tuple"
		}
		return "list"
	case *Dict:
		return "dict"
	case *Undefined:
		return "undefined"
	case *namespace:
		return "namespace"
	case *loop:
		return "loop"
	}
	return "function"
}

// defined fails for an undefined value with why it is.
func (m *machine) defined(v Value) {
	if u, ok := v.(*Undefined); ok {
		m.fail("%s", u.why)
	}
}

// truth is a value as a condition.
func (m *machine) truth(v Value) bool {
	switch v := v.(type) {
	case nil, *Undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case Str:
		return v.s != ""
	case *List:
		return len(v.items) > 0
	case *Dict:
		return v.Len() > 0
	}
	return true
}

// iterate is the elements of a value; the caller does not change them.
func (m *machine) iterate(v Value) []Value {
	switch v := v.(type) {
	case *Undefined:
		return nil
	case *List:
		return v.items
	case *Dict:
		return v.keys
	case Str:
		n := m.runes(v)
		m.allocN(n, 64)
		items := make([]Value, 0, n)
		for i := range v.s {
			items = append(items, m.cut(v, i, i+width(v.s[i:])))
		}
		return items
	}
	m.fail("%s is not iterable", m.kind(v))
	return nil
}

// length is len of a value.
func (m *machine) length(v Value) int {
	switch v := v.(type) {
	case *Undefined:
		return 0
	case Str:
		return m.runes(v)
	case *List:
		return len(v.items)
	case *Dict:
		return v.Len()
	case *loop:
		return len(v.items)
	}
	m.fail("%s has no length", m.kind(v))
	return 0
}

// width is the number of bytes of the first character of s.
func width(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// Append adds an element to a list that is not in use by a template.
func (l *List) Append(v Value) { l.items = append(l.items, v) }

// Keys are the string keys of a dictionary, in order.
func (d *Dict) Keys() []string {
	keys := make([]string, 0, len(d.keys))
	for _, k := range d.keys {
		if s, ok := k.(Str); ok {
			keys = append(keys, s.s)
		}
	}
	return keys
}

// String is the string's text.
func (s Str) String() string { return s.s }
