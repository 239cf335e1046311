package field

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// maxDepth bounds objects and arrays within each other.
const maxDepth = 200

// Value is a JSON value of a request, with the path to it.
type Value struct {
	Path string
	Raw  json.RawMessage // sound JSON, without white space around it; nil for none
}

// Kind names a value's type, for people.
func (v Value) Kind() string {
	if len(v.Raw) == 0 {
		return "absent"
	}
	switch v.Raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// Errorf makes an error of the value's path.
func (v Value) Errorf(format string, args ...any) *Error { return Errorf(v.Path, format, args...) }

// wrong is the error of a value of another type.
func (v Value) wrong(want string) *Error { return v.Errorf("is %s, not %s", v.Kind(), want) }

// Check makes a value of a body, which must be sound JSON in UTF-8.
func Check(body []byte) (Value, error) {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return Value{}, &Error{"", "is empty; a JSON object is expected"}
	case !utf8.Valid(body):
		return Value{}, &Error{"", "is not UTF-8"}
	}
	if at, ok := shallow(body); !ok {
		return Value{}, Errorf("", "is nested more than %d deep at byte %d", maxDepth, at)
	}
	if !json.Valid(body) {
		var any json.RawMessage
		return Value{}, Errorf("", "is no sound JSON: %.120s", json.Unmarshal(body, &any))
	}
	return Value{Raw: bytes.TrimSpace(body)}, nil
}

// shallow reports whether brackets are nested at most maxDepth deep, or where they are not.
func shallow(b []byte) (at int, ok bool) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += skipString(b[i:]) - 1
		case '{', '[':
			if depth++; depth > maxDepth {
				return i, false
			}
		case '}', ']':
			depth--
		}
	}
	return 0, true
}

// skipString is the length of the string that b begins with, both quotes counted; of all
// of b where it does not end.
func skipString(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// skip is the length of the value that b, sound JSON, begins with.
func skip(b []byte) int {
	switch b[0] {
	case '"':
		return skipString(b)
	case '{', '[':
		depth := 0
		for i := 0; i < len(b); i++ {
			switch b[i] {
			case '"':
				i += skipString(b[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return len(b)
	}
	for i, c := range b {
		switch c {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return i
		}
	}
	return len(b)
}

// space is how much white space b begins with.
func space(b []byte) (n int) {
	for n < len(b) && (b[n] == ' ' || b[n] == '\t' || b[n] == '\n' || b[n] == '\r') {
		n++
	}
	return n
}

// members calls each for every value of an array or object, with its key; it stops where
// that reports false.
func (v Value) members(each func(key string, raw json.RawMessage) bool) {
	b := v.Raw[1 : len(v.Raw)-1]
	for {
		b = b[space(b):]
		if len(b) == 0 {
			return
		}
		key := ""
		if v.Raw[0] == '{' {
			n := skipString(b)
			key = unquote(b[:n])
			b = b[n:]
			b = b[space(b)+1:] // the colon
			b = b[space(b):]
		}
		n := skip(b)
		if !each(key, json.RawMessage(b[:n:n])) {
			return
		}
		b = b[n:]
		if b = b[space(b):]; len(b) > 0 {
			b = b[1:] // the comma
		}
	}
}

// unquote is the text of a sound JSON string.
func unquote(b []byte) (s string) {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b[1 : len(b)-1])
	}
	json.Unmarshal(b, &s)
	return s
}

// Null reports whether the value is absent or null.
func (v Value) Null() bool { return len(v.Raw) == 0 || v.Raw[0] == 'n' }

// Is reports whether the value begins as the values of its type do: " for a string, [ and
// { for an array and an object, t and f, n; any digit or - for itself.
func (v Value) Is(c byte) bool { return len(v.Raw) > 0 && v.Raw[0] == c }

// Text is a string of at most so many bytes.
func (v Value) Text(most int) (string, error) {
	if !v.Is('"') {
		return "", v.wrong("a string")
	}
	if len(v.Raw)-2 > 6*most { // \u0061 is the longest way to write a byte
		return "", v.Errorf("is longer than %d bytes", most)
	}
	s := unquote(v.Raw)
	if len(s) > most {
		return "", v.Errorf("is longer than %d bytes", most)
	}
	return s, nil
}

// Whole is a whole number in a range.
func (v Value) Whole(least, most int64) (int64, error) {
	if v.Kind() != "a number" {
		return 0, v.wrong("a number")
	}
	var n int64
	if err := json.Unmarshal(v.Raw, &n); err != nil {
		if bytes.ContainsAny(v.Raw, ".eE") {
			return 0, v.Errorf("is %.40s, not a whole number", v.Raw)
		}
		return 0, v.Errorf("is not from %d to %d", least, most)
	}
	if n < least || n > most {
		return 0, v.Errorf("is %d, not from %d to %d", n, least, most)
	}
	return n, nil
}

// Number is any number that float64 reaches.
func (v Value) Number() (float64, error) {
	if v.Kind() != "a number" {
		return 0, v.wrong("a number")
	}
	var x float64
	if json.Unmarshal(v.Raw, &x) != nil {
		return 0, v.Errorf("is beyond the range of numbers: %.40s", v.Raw)
	}
	return x, nil
}

// List is the elements of an array, at most so many.
func (v Value) List(most int) (list []Value, err error) {
	if !v.Is('[') {
		return nil, v.wrong("an array")
	}
	v.members(func(_ string, raw json.RawMessage) bool {
		if len(list) == most {
			err = v.Errorf("has more than %d elements", most)
			return false
		}
		list = append(list, Value{fmt.Sprintf("%s[%d]", v.Path, len(list)), raw})
		return true
	})
	return list, err
}
