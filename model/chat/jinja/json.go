package jinja

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Bounds of a decoded value.
const (
	maxJSON   = 100     // arrays and objects within each other
	maxValues = 4 << 20 // values in all
)

// Decode reads one JSON value. The keys of objects keep their order; of a key that
// comes twice the last value holds, at the place of the first. Strings and keys are
// tainted or not. Integers and floats are told apart.
func Decode(data []byte, tainted bool) (Value, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	left := maxValues
	v, err := decode(d, tainted, 0, &left)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = fmt.Errorf("something follows the value")
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends too early")
	}
	if err != nil {
		return nil, fmt.Errorf("bad JSON at byte %d: %w", d.InputOffset(), err)
	}
	return v, nil
}

func decode(d *json.Decoder, tainted bool, depth int, left *int) (Value, error) {
	if *left--; *left < 0 {
		return nil, fmt.Errorf("more than %d values", maxValues)
	}
	if depth > maxJSON {
		return nil, fmt.Errorf("nested more than %d deep", maxJSON)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			l := &List{}
			for d.More() {
				v, err := decode(d, tainted, depth+1, left)
				if err != nil {
					return nil, err
				}
				l.items = append(l.items, v)
			}
			_, err = d.Token()
			return l, err
		}
		o := NewDict()
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decode(d, tainted, depth+1, left)
			if err != nil {
				return nil, err
			}
			key := k.(string)
			o.put("s"+key, String(key, tainted), v)
		}
		_, err = d.Token()
		return o, err
	case json.Number:
		return decodeNumber(string(t))
	case string:
		return String(t, tainted), nil
	default: // nil, bool
		return t, nil
	}
}

func decodeNumber(s string) (Value, error) {
	if strings.ContainsAny(s, ".eE") {
		f, _ := strconv.ParseFloat(s, 64) // infinite beyond its range, as in Python
		return f, nil
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i, nil
	}
	if len(s) > 4300 {
		return nil, fmt.Errorf("an integer of %d digits", len(s))
	}
	n, _ := new(big.Int).SetString(s, 10)
	return n, nil
}

// jsonWriter writes values as json.dumps does.
type jsonWriter struct {
	*builder
	indent      string // a step's; none with flat
	flat        bool
	comma, of   string // separators
	ascii, sort bool
}

func (w *jsonWriter) value(v Value, indent string) {
	m := w.m
	switch v := v.(type) {
	case nil:
		w.clean("null")
	case bool:
		w.clean(strconv.FormatBool(v))
	case float64:
		switch {
		case math.IsNaN(v):
			w.clean("NaN")
		case math.IsInf(v, 1):
			w.clean("Infinity")
		case math.IsInf(v, -1):
			w.clean("-Infinity")
		default:
			w.clean(floatText(v))
		}
	case int64, *big.Int:
		w.repr(v)
	case Str:
		w.text(v)
	case *List:
		m.enter()
		defer m.leave()
		if len(v.items) == 0 {
			w.clean("[]")
			return
		}
		w.clean("[")
		for i, x := range v.items {
			w.line(i, indent+w.indent)
			w.value(x, indent+w.indent)
		}
		w.line(-1, indent)
		w.clean("]")
	case *Dict:
		m.enter()
		defer m.leave()
		if v.Len() == 0 {
			w.clean("{}")
			return
		}
		order := make([]int, v.Len())
		for i := range order {
			order[i] = i
		}
		if w.sort {
			m.sortIndices(order, v.keys, false)
		}
		w.clean("{")
		for i, k := range order {
			w.line(i, indent+w.indent)
			w.key(v.keys[k])
			w.clean(w.of)
			w.value(v.values[k], indent+w.indent)
		}
		w.line(-1, indent)
		w.clean("}")
	default:
		m.defined(v)
		m.fail("%s cannot be written as JSON", m.kind(v))
	}
}

// line is what stands before element i, and with -1 before the end.
func (w *jsonWriter) line(i int, indent string) {
	if i > 0 {
		w.clean(w.comma)
	}
	if !w.flat {
		w.clean("\n" + indent)
	}
}

func (w *jsonWriter) key(k Value) {
	switch k := k.(type) {
	case Str:
		w.text(k)
	case nil, bool, int64, float64, *big.Int:
		w.clean(`"`)
		w.value(k, "")
		w.clean(`"`)
	default:
		w.m.fail("%s cannot be a key in JSON", w.m.kind(k))
	}
}

func (w *jsonWriter) text(s Str) {
	w.clean(`"`)
	w.escaped(s, func(r rune, _ bool) string {
		switch r {
		case '"':
			return `\"`
		case '\\':
			return `\\`
		case '\n':
			return `\n`
		case '\r':
			return `\r`
		case '\t':
			return `\t`
		case '\f':
			return `\f`
		case '\b':
			return `\b`
		}
		switch {
		case r < 0x20 || w.ascii && r >= 0x7f && r < 0x10000:
			if r == 0x7f {
				return ""
			}
			return fmt.Sprintf(`\u%04x`, r)
		case w.ascii && r >= 0x10000:
			r -= 0x10000
			return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
		return ""
	})
	w.clean(`"`)
}

// tojson is the filter of transformers: json.dumps without escapes of <, > and &.
func tojson(m *machine, v Value, a args) Value {
	p := a.bind(m, "tojson", "ensure_ascii", "indent", "separators", "sort_keys")
	w := &jsonWriter{builder: m.builder(), flat: true, comma: ", ", of: ": ", ascii: p.truth(0, false), sort: p.truth(3, false)}
	switch in := p.or(1, nil).(type) {
	case nil:
	case Str:
		w.flat, w.indent, w.comma = false, in.s, ","
	default:
		n := max(p.int(1, 0), 0)
		if n > 1000 {
			m.exceeded("tojson: an indent of %d", n)
		}
		w.flat, w.indent, w.comma = false, strings.Repeat(" ", n), ","
	}
	if s := p.or(2, nil); s != nil {
		l, ok := s.(*List)
		if !ok || len(l.items) != 2 {
			m.fail("tojson: separators are not two strings")
		}
		w.comma, w.of = m.str(l.items[0]).s, m.str(l.items[1]).s
	}
	w.value(v, "")
	return w.done()
}

// JSON is a value as JSON text, as the filter tojson writes it; strings keep their
// taint.
func JSON(v Value) (s Str, err error) {
	defer caught(&err)
	m := &machine{ctx: context.Background(), lim: Limits{}.orDefault()}
	return tojson(m, v, args{}).(Str), nil
}
