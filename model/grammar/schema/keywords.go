package schema

import (
	"errors"
	"fmt"
	"slices"
)

// annotations are the keywords that say nothing of which values are right.
var annotations = []string{"title", "description", "default", "examples", "example", "$comment", "$schema",
	"$defs", "definitions", "deprecated", "readOnly", "writeOnly", "contentMediaType", "contentEncoding"}

// keywords are the others that are supported, each with the check of its form.
var keywords = map[string]func(*value) error{
	"type":                 isTypes,
	"enum":                 isFilled,
	"const":                func(*value) error { return nil },
	"properties":           isObject,
	"required":             isNames,
	"additionalProperties": isSchema,
	"minProperties":        isCount,
	"maxProperties":        isCount,
	"items":                isSchema,
	"prefixItems":          isFilled,
	"minItems":             isCount,
	"maxItems":             isCount,
	"uniqueItems":          isFalse,
	"minLength":            isCount,
	"maxLength":            isCount,
	"pattern":              isText,
	"format":               isText,
	"minimum":              isNumber,
	"maximum":              isNumber,
	"exclusiveMinimum":     isNumber,
	"exclusiveMaximum":     isNumber,
	"multipleOf":           isNumber,
	"anyOf":                isFilled,
	"oneOf":                isFilled,
	"allOf":                isFilled,
	"$ref":                 isText,
}

// check refuses a schema with a keyword that is not supported or not well formed.
func check(s *value) error {
	if s.kind == boolean {
		return nil
	}
	if s.kind != object {
		return fail(s, errors.New("a schema is an object or a boolean"))
	}
	for i, k := range s.keys {
		if slices.Contains(annotations, k) || k == "$id" && s.parent == nil {
			continue
		}
		form, ok := keywords[k]
		if !ok {
			return fail(s.items[i], ErrUnsupported)
		}
		if s.items[i].kind == several {
			continue // checked before it was merged
		}
		if err := form(s.items[i]); err != nil {
			return fail(s.items[i], err)
		}
	}
	return nil
}

// asserts reports whether s says anything besides the keywords but.
func asserts(s *value, but ...string) bool {
	return slices.ContainsFunc(s.keys, func(k string) bool {
		return keywords[k] != nil && !slices.Contains(but, k)
	})
}

func isText(v *value) error   { return want(v, text, "a string") }
func isNumber(v *value) error { return want(v, number, "a number") }
func isObject(v *value) error { return want(v, object, "an object") }

func want(v *value, k kind, what string) error {
	if v.kind != k {
		return fmt.Errorf("it is not %s", what)
	}
	return nil
}

func isFilled(v *value) error {
	if v.kind != array || len(v.items) == 0 {
		return errors.New("it is not an array of at least one element")
	}
	return nil
}

func isSchema(v *value) error {
	if v.kind != object && v.kind != boolean {
		return errors.New("it is not a schema, an object or a boolean")
	}
	return nil
}

func isNames(v *value) error {
	if v.kind != array || slices.ContainsFunc(v.items, func(x *value) bool { return x.kind != text }) {
		return errors.New("it is not an array of strings")
	}
	return nil
}

func isFalse(v *value) error {
	if v.kind != boolean || v.truth {
		return ErrUnsupported
	}
	return nil
}

func isCount(v *value) error {
	_, err := count(v)
	return err
}

// far is more characters or elements than any output has.
const far = 1 << 30

// count reads a count, at most far.
func count(v *value) (int, error) {
	d, err := parseDecimal(v.text)
	if v.kind != number || err != nil || d.neg || d.part != "" {
		return 0, errors.New("it is not a count")
	}
	n := 0
	for _, c := range d.whole {
		n = min(10*n+int(c-'0'), far)
	}
	return n, nil
}

// limits reads a pair of counts; most < 0: no limit.
func (c *compiler) limits(s *value, minKey, maxKey string) (least, most int, err error) {
	most = -1
	if v := s.get(minKey); v != nil {
		if least, _ = count(v); least >= far {
			return 0, 0, fail(v, ErrTooLarge)
		}
	}
	if v := s.get(maxKey); v != nil {
		if n, _ := count(v); n < far {
			most = n
		}
		if most >= 0 && most < least {
			return 0, 0, fail(v, ErrNever)
		}
	}
	return least, most, nil
}

// types is a set of JSON types.
type types uint8

const (
	isNull types = 1 << iota
	isBool
	isInteger
	isFraction // numbers that are no integers
	isString
	isArray
	isObjectType
	allTypes types = 1<<iota - 1
)

var typeNames = map[string]types{"null": isNull, "boolean": isBool, "integer": isInteger, "number": isInteger | isFraction,
	"string": isString, "array": isArray, "object": isObjectType}

func isTypes(v *value) error {
	for _, x := range oneOrMore(v) {
		if x.kind != text || typeNames[x.text] == 0 {
			return errors.New("it is neither a type nor an array of types")
		}
	}
	if v.kind == array {
		return isFilled(v)
	}
	return nil
}

func oneOrMore(v *value) []*value {
	if v.kind == array {
		return v.items
	}
	return []*value{v}
}

// each returns the values of a keyword: none, one, or those that were merged.
func each(v *value) []*value {
	switch {
	case v == nil:
		return nil
	case v.kind == several:
		return v.items
	}
	return []*value{v}
}

// typesOf returns the types s allows.
func typesOf(s *value) types {
	all := allTypes
	for _, v := range each(s.get("type")) {
		var t types
		for _, x := range oneOrMore(v) {
			t |= typeNames[x.text]
		}
		all &= t
	}
	return all
}

// typeOf is the type of a value.
func typeOf(v *value) types {
	switch v.kind {
	case null:
		return isNull
	case boolean:
		return isBool
	case text:
		return isString
	case array:
		return isArray
	case object:
		return isObjectType
	}
	if d, err := parseDecimal(v.text); err == nil && d.part == "" {
		return isInteger
	}
	return isFraction
}
