package field

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"eclat/loader/spelling"
)

// maxFields bounds the fields of one object.
const maxFields = 4096

// Object is an object whose fields are being read.
type Object struct {
	Path   string
	keys   []string
	values map[string]json.RawMessage
	asked  map[string]bool
	err    *error // the first fault, of it and the objects within
}

// Parse begins to read the object that a body is.
func Parse(body []byte) (*Object, error) {
	v, err := Check(body)
	if err != nil {
		return nil, err
	}
	var first error
	o := object(v, &first)
	return o, first
}

// Object begins to read a value as an object of its own.
func (v Value) Object() (*Object, error) {
	var first error
	o := object(v, &first)
	return o, first
}

// object reads an object; it has no fields where the value is none.
func object(v Value, first *error) *Object {
	o := &Object{Path: v.Path, values: map[string]json.RawMessage{}, asked: map[string]bool{}, err: first}
	if !v.Is('{') {
		o.Fail(v.wrong("an object"))
		return o
	}
	v.members(func(key string, raw json.RawMessage) bool {
		switch _, twice := o.values[key]; {
		case twice:
			o.Fail(Errorf(o.path(key), "is given twice"))
		case len(o.keys) == maxFields:
			o.Fail(v.Errorf("has more than %d fields", maxFields))
			return false
		}
		o.keys = append(o.keys, key)
		o.values[key] = raw
		return true
	})
	return o
}

// path is a field's.
func (o *Object) path(key string) string {
	if len(key) > 80 {
		key = key[:80] + "…"
	}
	if o.Path == "" {
		return key
	}
	return o.Path + "." + key
}

// Fail keeps an error, if it is the first.
func (o *Object) Fail(err error) {
	if *o.err == nil && err != nil {
		*o.err = err
	}
}

// Failf says what is wrong with a field.
func (o *Object) Failf(key, format string, args ...any) { o.Fail(Errorf(o.path(key), format, args...)) }

// Keys are the names of all fields, in order.
func (o *Object) Keys() []string { return o.keys }

// Has reports whether a field is there and not null. It does not count as asked for.
func (o *Object) Has(key string) bool { return !Value{Raw: o.values[key]}.Null() }

// Value is a field as it is; its Raw is nil where it is absent or null.
func (o *Object) Value(key string) Value {
	o.asked[key] = true
	v := Value{o.path(key), o.values[key]}
	if v.Null() {
		v.Raw = nil
	}
	return v
}

// Text is a string of at most so many bytes, "" where it is absent.
func (o *Object) Text(key string, most int) string {
	v := o.Value(key)
	if v.Null() {
		return ""
	}
	s, err := v.Text(most)
	o.Fail(err)
	return s
}

// Choice is one of some words, the first where it is absent.
func (o *Object) Choice(key string, words ...string) string {
	v := o.Value(key)
	if v.Null() {
		return words[0]
	}
	s, err := v.Text(64)
	switch {
	case err != nil:
		o.Fail(err)
	case !slices.Contains(words, s):
		o.Fail(v.Errorf("is %.40q, not one of %s", s, list(words)))
	}
	return s
}

func list(words []string) (s string) {
	for i, w := range words {
		if i > 0 {
			s += ", "
		}
		s += w
	}
	return s
}

// Int is a whole number in a range, or the given one where it is absent.
func (o *Object) Int(key string, absent, least, most int) int {
	v := o.Value(key)
	if v.Null() {
		return absent
	}
	n, err := v.Whole(int64(least), int64(most))
	o.Fail(err)
	return int(n)
}

// Float is a number in a range, or the given one where it is absent.
func (o *Object) Float(key string, absent, least, most float64) float64 {
	v := o.Value(key)
	if v.Null() {
		return absent
	}
	x, err := v.Number()
	switch {
	case err != nil:
		o.Fail(err)
	case x < least || x > most:
		o.Fail(v.Errorf("is %s, not %s", v.Raw, within(least, most)))
	}
	return x
}

// within says a range in words.
func within(least, most float64) string {
	if most >= math.MaxFloat32 {
		return fmt.Sprintf("a number from %g on", least)
	}
	return fmt.Sprintf("from %g to %g", least, most)
}

// Bool is true or false, or the given one where it is absent.
func (o *Object) Bool(key string, absent bool) bool {
	v := o.Value(key)
	switch {
	case v.Null():
		return absent
	case v.Is('t'), v.Is('f'):
		return v.Is('t')
	}
	o.Fail(v.wrong("true or false"))
	return absent
}

// List is the elements of an array, at most so many; none where it is absent.
func (o *Object) List(key string, most int) []Value {
	v := o.Value(key)
	if v.Null() {
		return nil
	}
	l, err := v.List(most)
	o.Fail(err)
	return l
}

// Texts are the strings of an array; a single string stands for an array of it.
func (o *Object) Texts(key string, most, length int) (texts []string) {
	v := o.Value(key)
	if v.Is('"') {
		return []string{o.Text(key, length)}
	}
	for _, e := range o.List(key, most) {
		s, err := e.Text(length)
		o.Fail(err)
		texts = append(texts, s)
	}
	return texts
}

// Object is a field's object, whose first fault is this one's; nil where it is absent.
func (o *Object) Object(key string) *Object {
	v := o.Value(key)
	if v.Null() {
		return nil
	}
	return object(v, o.err)
}

// Element is an element's object, whose first fault is this one's.
func (o *Object) Element(v Value) *Object { return object(v, o.err) }

// Without takes note of fields that are known and change no answer.
func (o *Object) Without(keys ...string) {
	for _, k := range keys {
		o.asked[k] = true
	}
}

// Refuse fails where a field is there that cannot be honoured, with why.
func (o *Object) Refuse(key, why string) {
	if !o.Value(key).Null() {
		o.Failf(key, "is not supported: %s", why)
	}
}

// Only fails where a field is there and says anything but the value given, as JSON: what
// is not supported but may be said to be off.
func (o *Object) Only(key, value, why string) {
	if v := o.Value(key); !v.Null() && string(v.Raw) != value {
		o.Fail(v.Errorf("is %.40s; only %s is supported: %s", v.Raw, value, why))
	}
}

// Err is the first fault so far.
func (o *Object) Err() error { return *o.err }

// End is the first fault; a field that nobody asked for is one.
func (o *Object) End() error {
	for _, k := range o.keys {
		if !o.asked[k] && o.Has(k) {
			guess := ""
			if near := o.nearest(k); near != "" {
				guess = "; did you mean " + near + "?"
			}
			o.Failf(k, "is not a field that is known here%s", guess)
		}
	}
	return *o.err
}

// nearest is the field asked for that is spelt most like an unknown one, "" for none.
func (o *Object) nearest(key string) (best string) {
	if len(key) > 40 {
		return ""
	}
	known := make([]string, 0, len(o.asked))
	for k := range o.asked {
		known = append(known, k)
	}
	slices.Sort(known)
	least := 3
	for _, k := range known {
		if d := spelling.Distance(key, k); d < least && d < len(k) && !o.Has(k) {
			best, least = k, d
		}
	}
	return best
}
