package schema

import (
	"fmt"
)

// expand returns s with its allOf and its $ref merged into it, or false where that shows that
// there is no value. Where s is nothing but a reference and keep is set, it stays one.
func (c *compiler) expand(s *value, keep bool) (*value, error) {
	if c.depth++; c.depth > maxDepth {
		return nil, fail(s, ErrTooLarge)
	}
	defer func() { c.depth-- }()
	if err := check(s); err != nil {
		return nil, err
	}
	if err := c.spend(1); err != nil {
		return nil, fail(s, err)
	}
	if s.kind == boolean {
		return s, nil
	}
	parts := []*value{}
	if s.get("$ref") != nil {
		if keep && !asserts(s, "$ref") {
			return s, nil
		}
		t, err := c.target(s)
		if err != nil {
			return nil, err
		}
		parts = append(parts, t)
	}
	if all := s.get("allOf"); all != nil {
		if keep && len(all.items) == 1 && !asserts(s, "allOf") {
			return c.expand(all.items[0], true)
		}
		parts = append(parts, all.items...)
	}
	if len(parts) == 0 {
		return s, nil
	}
	// What stands beside comes last, so that properties keep the order of the parts.
	all, err := c.expand(parts[0], false)
	for _, p := range append(parts[1:], s.without("$ref", "allOf")) {
		if err == nil && all.kind != boolean {
			p, err = c.expand(p, false)
		}
		if err != nil {
			return nil, err
		}
		if all, err = c.merge(all, p); err != nil {
			return nil, err
		}
	}
	if all.kind == object {
		all = all.without()
		all.parent, all.name = s.parent, s.name
	}
	return all, nil
}

// merge returns one schema of what both allow. Both have been expanded.
func (c *compiler) merge(a, b *value) (*value, error) {
	switch {
	case a.kind == boolean && !a.truth || b.kind == boolean && b.truth:
		return a, nil
	case a.kind == boolean || b.kind == boolean:
		return b, nil
	}
	if err := c.spend(len(a.keys) + len(b.keys)); err != nil {
		return nil, fail(b, err)
	}
	m := a.without("properties", "additionalProperties", "items", "prefixItems")
	for i, key := range b.keys {
		x, y := a.get(key), b.items[i]
		if keywords[key] == nil {
			continue
		}
		switch key {
		case "properties", "additionalProperties", "items", "prefixItems":
			continue // below
		}
		if x == nil {
			m.set(key, y)
			continue
		}
		switch key {
		case "required":
			m.set(key, &value{kind: array, items: append(append([]*value{}, x.items...), y.items...), parent: a, name: key})
		case "minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties":
			m.set(key, closer(x, y, 1))
		case "maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties":
			m.set(key, closer(x, y, -1))
		case "type", "enum", "const", "pattern", "format", "multipleOf":
			m.set(key, &value{kind: several, items: append(append([]*value{}, each(x)...), each(y)...), parent: a, name: key})
		case "uniqueItems":
		default:
			return nil, fail(y, fmt.Errorf("it cannot be merged with that of %s", x.where()))
		}
	}
	if err := c.mergeObjects(m, a, b); err != nil {
		return nil, err
	}
	c.mergeArrays(m, a, b)
	return m, nil
}

// closer returns the larger of two limits, the smaller one where sign is −1.
func closer(x, y *value, sign int) *value {
	a, err := parseDecimal(x.text)
	b, err2 := parseDecimal(y.text)
	if err2 != nil || err == nil && a.cmp(b)*sign < 0 {
		return y // what is wrong with a limit is said where it is used
	}
	return x
}

// both returns the schema of what x and y allow; nil is a schema that is absent.
func both(x, y *value) *value {
	switch {
	case x == nil || x == y:
		return y
	case y == nil:
		return x
	}
	if r, s := x.get("$ref"), y.get("$ref"); r != nil && s != nil && r.text == s.text && !asserts(x, "$ref") && !asserts(y, "$ref") {
		return x
	}
	m := newObject()
	m.parent, m.name = x.parent, x.name
	m.set("allOf", &value{kind: array, items: []*value{x, y}, parent: m, name: "allOf"})
	return m
}

// mergeObjects merges the keywords of properties. A property that one schema names and the
// other does not must satisfy the other's additionalProperties.
func (c *compiler) mergeObjects(m, a, b *value) error {
	p, q := a.get("properties"), b.get("properties")
	if p == nil {
		p = newObject()
	}
	if q == nil {
		q = newObject()
	}
	addA, addB := a.get("additionalProperties"), b.get("additionalProperties")
	if err := c.spend(len(p.keys) + len(q.keys)); err != nil {
		return fail(b, err)
	}
	all := newObject()
	all.parent, all.name = m, "properties"
	for i, key := range p.keys {
		other := q.get(key)
		if other == nil {
			other = addB
		}
		all.set(key, both(p.items[i], other))
	}
	for i, key := range q.keys {
		if all.get(key) == nil {
			all.set(key, both(q.items[i], addA))
		}
	}
	if len(all.keys) > 0 {
		m.set("properties", all)
	}
	if add := both(addA, addB); add != nil {
		m.set("additionalProperties", add)
	}
	return nil
}

// mergeArrays does the same for elements: beyond one's prefixItems its items holds.
func (c *compiler) mergeArrays(m, a, b *value) {
	list := func(s *value) []*value {
		if p := s.get("prefixItems"); p != nil {
			return p.items
		}
		return nil
	}
	p, q := list(a), list(b)
	at := func(p []*value, i int, s *value) *value {
		if i < len(p) {
			return p[i]
		}
		return s.get("items")
	}
	prefix := &value{kind: array, parent: m, name: "prefixItems"}
	for i := range max(len(p), len(q)) {
		x := both(at(p, i, a), at(q, i, b))
		if x == nil {
			x = &value{kind: boolean, truth: true, parent: prefix}
		}
		prefix.items = append(prefix.items, x)
	}
	if len(prefix.items) > 0 {
		m.set("prefixItems", prefix)
	}
	if x := both(a.get("items"), b.get("items")); x != nil {
		m.set("items", x)
	}
}
