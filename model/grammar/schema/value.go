package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	array
	object
	several // several values of one keyword that hold at once; only merge makes it
)

// value is a JSON value, the order of an object's members kept.
type value struct {
	kind  kind
	truth bool
	text  string   // of a string, or a number as written
	keys  []string // of an object
	items []*value // of an array or an object
	index map[string]int

	parent *value // where it stands, for errors; a merged object stands where its first part does
	name   string // in the parent
}

// where is the value's path as a JSON pointer, escaped for a terminal.
func (v *value) where() string {
	var names []string
	for ; v.parent != nil; v = v.parent {
		n := strings.NewReplacer("~", "~0", "/", "~1").Replace(v.name)
		if len(n) > 100 {
			n = n[:100] + "…"
		}
		names = append(names, n)
	}
	slices.Reverse(names)
	q := strconv.Quote(strings.Join(append([]string{"#"}, names...), "/"))
	return q[1 : len(q)-1]
}

// fail names v as what err is about.
func fail(v *value, err error) error { return fmt.Errorf("%s: %w", v.where(), err) }

// get returns an object's member, nil for none.
func (v *value) get(key string) *value {
	if v.kind != object {
		return nil
	}
	if i, ok := v.index[key]; ok {
		return v.items[i]
	}
	return nil
}

// set adds or replaces an object's member.
func (v *value) set(key string, x *value) {
	if v.get(key) != nil {
		v.items[v.index[key]] = x
		return
	}
	v.index[key] = len(v.keys)
	v.keys, v.items = append(v.keys, key), append(v.items, x)
}

func newObject() *value { return &value{kind: object, index: map[string]int{}} }

// without returns the object less some members.
func (v *value) without(keys ...string) *value {
	w := newObject()
	w.parent, w.name = v.parent, v.name
	for i, k := range v.keys {
		if !slices.Contains(keys, k) {
			w.set(k, v.items[i])
		}
	}
	return w
}

const (
	maxBytes = 4 << 20
	maxNest  = 128
)

// read parses a JSON document.
func read(doc []byte) (*value, error) {
	if len(doc) > maxBytes {
		return nil, fmt.Errorf("%d bytes; at most %d", len(doc), maxBytes)
	}
	if !utf8.Valid(doc) {
		return nil, errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	v, err := readValue(d, 0)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON value")
	}
	return v, nil
}

func readValue(d *json.Decoder, nest int) (*value, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case bool:
		return &value{kind: boolean, truth: t}, nil
	case json.Number:
		return &value{kind: number, text: string(t)}, nil
	case string:
		return &value{kind: text, text: t}, nil
	case json.Delim:
		if nest >= maxNest {
			return nil, fmt.Errorf("nested deeper than %d", maxNest)
		}
		v := &value{kind: array}
		if t == '{' {
			v = newObject()
		}
		for d.More() {
			key := ""
			if v.kind == object {
				k, err := d.Token()
				if err != nil {
					return nil, err
				}
				if key = k.(string); v.get(key) != nil {
					return nil, fmt.Errorf("%q stands twice in one object", key)
				}
			}
			x, err := readValue(d, nest+1)
			if err != nil {
				return nil, err
			}
			x.parent, x.name = v, key
			if v.kind == object {
				v.set(key, x)
			} else {
				x.name = strconv.Itoa(len(v.items))
				v.items = append(v.items, x)
			}
		}
		_, err := d.Token() // the closing bracket
		return v, err
	}
	return &value{}, nil
}

// quote spells s as a JSON string without needless escapes, the quotes included.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case '\b':
			b.WriteString(`\b`)
		case '\f':
			b.WriteString(`\f`)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			if c < 0x20 {
				fmt.Fprintf(&b, `\u%04x`, c)
			} else {
				b.WriteRune(c)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}

// same reports whether two values are equal: numbers by value, objects in any order.
func same(a, b *value) bool {
	if a.kind != b.kind || len(a.items) != len(b.items) {
		return false
	}
	switch a.kind {
	case boolean:
		return a.truth == b.truth
	case text:
		return a.text == b.text
	case number:
		x, err := parseDecimal(a.text)
		y, err2 := parseDecimal(b.text)
		return err == nil && err2 == nil && x.cmp(y) == 0
	case object:
		for i, k := range a.keys {
			if o := b.get(k); o == nil || !same(a.items[i], o) {
				return false
			}
		}
		return true
	}
	for i := range a.items {
		if !same(a.items[i], b.items[i]) {
			return false
		}
	}
	return true
}
