package schema

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"eclat/model/grammar/pda"
	"eclat/model/grammar/regular"
)

// Options say how a schema is read.
type Options struct {
	// Strict closes objects: where additionalProperties is absent, it is false.
	Strict bool
}

const (
	maxSpent = 1 << 17 // schemas, keywords' automata and literals made of one document
	maxDepth = 512     // of schemas in schemas, references that are merged included
)

type compiler struct {
	Options
	root  *value
	rules []pda.Rule
	refs  map[string]int // the rule of a reference
	queue []string       // references whose rule is not yet made
	any   int            // the rule of any JSON value, 0 before there is one

	patterns     map[string]*regular.DFA
	patternBytes int
	formats      map[string]*regular.DFA

	spent, depth int
}

// Parse reads a schema; the first of the rules is the document. An error names the path of
// what it is about, as a JSON pointer behind #.
func Parse(doc []byte, o Options) ([]pda.Rule, error) {
	root, err := read(doc)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	c := &compiler{Options: o, root: root, refs: map[string]int{}, patterns: map[string]*regular.DFA{}, formats: map[string]*regular.DFA{}}
	c.rule("#")
	for len(c.queue) > 0 {
		ref := c.queue[0]
		c.queue = c.queue[1:]
		s, err := c.resolve(ref)
		if err == nil {
			c.rules[c.refs[ref]].Expr, err = c.schema(s)
		}
		if err != nil {
			return nil, fmt.Errorf("schema: %w", err)
		}
	}
	return c.rules, nil
}

// spend counts n of what a document may make.
func (c *compiler) spend(n int) error {
	if c.spent += n; c.spent > maxSpent {
		return ErrTooLarge
	}
	return nil
}

// rule returns the number of a reference's rule.
func (c *compiler) rule(ref string) int {
	n, ok := c.refs[ref]
	if !ok {
		n = len(c.rules)
		c.refs[ref] = n
		c.rules = append(c.rules, pda.Rule{Name: ref})
		c.queue = append(c.queue, ref)
	}
	return n
}

// resolve finds what a reference points at.
func (c *compiler) resolve(ref string) (*value, error) {
	path, ok := strings.CutPrefix(ref, "#")
	if path, err := url.PathUnescape(path); ok && err == nil && (path == "" || path[0] == '/') {
		at := c.root
		for _, name := range strings.Split(path, "/")[1:] {
			name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
			switch next := at.get(name); {
			case next != nil:
				at = next
			case at.kind == array:
				i, err := strconv.ParseUint(name, 10, 31)
				if err != nil || int(i) >= len(at.items) {
					return nil, fmt.Errorf("the reference %q leads nowhere", ref)
				}
				at = at.items[i]
			default:
				return nil, fmt.Errorf("the reference %q leads nowhere", ref)
			}
		}
		return at, nil
	}
	return nil, fmt.Errorf("the reference %q is not into this document (#/…)", ref)
}

// target is what the $ref of s points at.
func (c *compiler) target(s *value) (*value, error) {
	ref := s.get("$ref")
	t, err := c.resolve(ref.text)
	if err != nil {
		return nil, fail(ref, err)
	}
	return t, nil
}

// schema returns the expression of the values s allows; an error of isNever where there is
// none.
func (c *compiler) schema(s *value) (*pda.Expr, error) {
	if c.depth++; c.depth > maxDepth {
		return nil, fail(s, ErrTooLarge)
	}
	defer func() { c.depth-- }()
	if err := c.spend(1); err != nil {
		return nil, fail(s, err)
	}
	s, err := c.expand(s, true)
	if err != nil {
		return nil, err
	}
	if s.kind == boolean {
		if !s.truth {
			return nil, fail(s, ErrNever)
		}
		return c.anyValue(), nil
	}
	if ref := s.get("$ref"); ref != nil {
		if _, err := c.target(s); err != nil {
			return nil, err
		}
		return &pda.Expr{Op: pda.Ref, Rule: c.rule(ref.text)}, nil
	}
	for _, key := range []string{"anyOf", "oneOf"} {
		if s.get(key) != nil {
			return c.branches(s, key)
		}
	}
	if s.get("enum") != nil || s.get("const") != nil {
		return c.listed(s)
	}
	if !asserts(s) {
		return c.anyValue(), nil
	}
	return c.byType(s)
}

// byType returns the values of each type that s allows.
func (c *compiler) byType(s *value) (*pda.Expr, error) {
	t := typesOf(s)
	var all []*pda.Expr
	var nothing error
	add := func(x *pda.Expr, err error) error {
		if err == nil {
			all = append(all, x)
			return nil
		}
		if nothing = err; isNever(err) {
			return nil
		}
		return err
	}
	var err error
	for _, k := range []struct {
		is   types
		make func() (*pda.Expr, error)
	}{
		{isObjectType, func() (*pda.Expr, error) { return c.object(s) }},
		{isArray, func() (*pda.Expr, error) { return c.array(s) }},
		{isString, func() (*pda.Expr, error) { return c.string(s) }},
		{isInteger, func() (*pda.Expr, error) { return c.number(s, t&isFraction == 0) }},
		{isBool, func() (*pda.Expr, error) { return pda.Or(pda.Lit("true"), pda.Lit("false")), nil }},
		{isNull, func() (*pda.Expr, error) { return pda.Lit("null"), nil }},
	} {
		if t&k.is != 0 {
			if err = add(k.make()); err != nil {
				return nil, err
			}
		}
	}
	if len(all) == 0 {
		if nothing == nil {
			nothing = fail(s, ErrNever)
		}
		return nil, nothing
	}
	return pda.Or(all...), nil
}

// branches returns the values of anyOf or oneOf, each branch merged with what stands beside.
func (c *compiler) branches(s *value, key string) (*pda.Expr, error) {
	base := s.without(key)
	list := s.get(key).items
	merged := make([]*value, len(list))
	for i, b := range list {
		merged[i] = b
		if asserts(base) {
			x, err := c.expand(b, false)
			if err != nil {
				return nil, err
			}
			if merged[i], err = c.merge(base, x); err != nil {
				return nil, err
			}
		}
	}
	if key == "oneOf" {
		if err := c.disjoint(s.get(key), merged); err != nil {
			return nil, err
		}
	}
	var all []*pda.Expr
	var nothing error
	for _, b := range merged {
		x, err := c.schema(b)
		switch {
		case err == nil:
			all = append(all, x)
		case isNever(err):
			nothing = err
		default:
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, nothing
	}
	return pda.Or(all...), nil
}

// candidates returns the values that enum and const list and that the types allow.
func candidates(s *value) []*value {
	var list []*value
	first := true
	also := func(more []*value) {
		var keep []*value
		for _, v := range more {
			if first || contains(list, v) {
				keep = append(keep, v)
			}
		}
		list, first = keep, false
	}
	for _, e := range each(s.get("enum")) {
		also(e.items)
	}
	for _, e := range each(s.get("const")) {
		also([]*value{e})
	}
	var keep []*value
	for _, v := range list {
		if typeOf(v)&typesOf(s) != 0 {
			keep = append(keep, v)
		}
	}
	return keep
}

func contains(list []*value, v *value) bool {
	for _, x := range list {
		if same(x, v) {
			return true
		}
	}
	return false
}

// listed returns the values of enum and const that all other keywords allow.
func (c *compiler) listed(s *value) (*pda.Expr, error) {
	var all []*pda.Expr
	for _, v := range candidates(s) {
		ok, err := c.fits(s, v)
		if err != nil {
			return nil, err
		}
		if ok {
			x, err := c.literal(v)
			if err != nil {
				return nil, err
			}
			all = append(all, x)
		}
	}
	if len(all) == 0 {
		return nil, fail(s, ErrNever)
	}
	return pda.Or(all...), nil
}

// fits reports whether v satisfies what s says of its type.
func (c *compiler) fits(s, v *value) (bool, error) {
	if err := c.spend(4); err != nil {
		return false, fail(s, err)
	}
	switch v.kind {
	case text:
		d, err := c.words(s)
		if d != nil || err != nil {
			return d != nil && d.Match(v.text), unlessNever(err)
		}
		n := len([]rune(v.text))
		least, most, err := c.limits(s, "minLength", "maxLength")
		return err == nil && n >= least && (most < 0 || n <= most), unlessNever(err)
	case number:
		x, err := parseDecimal(v.text)
		if err != nil {
			return false, fail(v, err)
		}
		d, err := c.numerals(s, false)
		return err == nil && d.Match(x.String()), unlessNever(err)
	case array, object:
		for _, key := range []string{"properties", "required", "additionalProperties", "minProperties", "maxProperties",
			"items", "prefixItems", "minItems", "maxItems"} {
			if k := s.get(key); k != nil {
				return false, fail(k, errors.New("beside an enum or const of arrays or objects it is not supported"))
			}
		}
	}
	return true, nil
}

func unlessNever(err error) error {
	if isNever(err) {
		return nil
	}
	return err
}

// literal returns the spelling of v.
func (c *compiler) literal(v *value) (*pda.Expr, error) {
	if err := c.spend(1 + len(v.text)/16); err != nil {
		return nil, fail(v, err)
	}
	switch v.kind {
	case null:
		return pda.Lit("null"), nil
	case boolean:
		return pda.Lit(strconv.FormatBool(v.truth)), nil
	case text:
		return pda.Lit(quote(v.text)), nil
	case number:
		d, err := parseDecimal(v.text)
		if err != nil {
			return nil, fail(v, err)
		}
		return pda.Lit(d.String()), nil
	}
	begin, end := "[", "]"
	if v.kind == object {
		begin, end = "{", "}"
	}
	parts := []*pda.Expr{pda.Lit(begin)}
	for i, x := range v.items {
		if i > 0 {
			parts = append(parts, pda.Lit(","))
		}
		parts = append(parts, ws)
		if v.kind == object {
			parts = append(parts, pda.Lit(quote(v.keys[i])+":"), ws)
		}
		e, err := c.literal(x)
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
	}
	return pda.Cat(append(parts, ws, pda.Lit(end))...), nil
}
