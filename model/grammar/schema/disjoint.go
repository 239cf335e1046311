package schema

import (
	"errors"
	"fmt"
	"slices"

	"eclat/model/grammar/regular"
)

const maxBranches = 64 // of a oneOf, each compared with each

// disjoint refuses a oneOf unless no value can satisfy two of its branches.
func (c *compiler) disjoint(at *value, branches []*value) error {
	if len(branches) > maxBranches {
		return fail(at, fmt.Errorf("oneOf has more than %d branches", maxBranches))
	}
	whole := make([]*value, len(branches))
	for i, b := range branches {
		var err error
		if whole[i], err = c.expand(b, false); err != nil {
			return err
		}
	}
	for i, a := range whole {
		for j, b := range whole[:i] {
			apart, err := c.apart(a, b, 0)
			if err != nil {
				return err
			}
			if !apart {
				return fail(at, fmt.Errorf("%w (branches %d and %d)", ErrNotDisjoint, j, i))
			}
		}
	}
	return nil
}

// apart reports whether it is plain that no value satisfies both schemas: by type, by the
// values listed, by a property both require, or by what numbers and strings may be.
func (c *compiler) apart(a, b *value, depth int) (bool, error) {
	if depth > 4 {
		return false, nil
	}
	if err := c.spend(4); err != nil {
		return false, fail(a, err)
	}
	if a.kind == boolean || b.kind == boolean {
		return a.kind == boolean && !a.truth || b.kind == boolean && !b.truth, nil
	}
	for _, s := range [][2]*value{{a, b}, {b, a}} {
		for _, key := range []string{"anyOf", "oneOf"} {
			if list := s[0].get(key); list != nil && len(list.items) <= 16 {
				all := true
				for _, x := range list.items {
					x, err := c.expand(x, false)
					if err != nil {
						return false, err
					}
					ok, err := c.apart(x, s[1], depth+1)
					if err != nil {
						return false, err
					}
					all = all && ok
				}
				if all {
					return true, nil
				}
			}
		}
	}
	common := typesOf(a) & typesOf(b)
	if lists(a) && lists(b) {
		mine, other := candidates(a), candidates(b)
		if len(mine)*len(other) <= 1<<12 && !slices.ContainsFunc(mine, func(v *value) bool { return contains(other, v) }) {
			return true, nil
		}
	} else if lists(a) || lists(b) {
		if lists(b) {
			a, b = b, a
		}
		mine := candidates(a)
		if len(mine) > 64 {
			return false, nil
		}
		for _, v := range mine {
			if typeOf(v)&common != 0 && (v.kind == array || v.kind == object) {
				return false, nil
			}
			ok, err := c.fits(b, v)
			if err != nil || ok && typeOf(v)&typesOf(b) != 0 {
				return false, err
			}
		}
		return true, nil
	}
	if common&isObjectType != 0 {
		ok, err := c.propertyApart(a, b, depth)
		if err != nil || !ok {
			return false, err
		}
		common &^= isObjectType
	}
	if common&(isInteger|isFraction) != 0 {
		ok, err := separate(func(s *value) (*regular.DFA, error) { return c.numerals(s, common&isFraction == 0) }, a, b)
		if err != nil || !ok {
			return false, err
		}
		common &^= isInteger | isFraction
	}
	if common&isString != 0 {
		ok, err := separate(c.words, a, b)
		if err != nil || !ok {
			return false, err
		}
		common &^= isString
	}
	return common == 0, nil
}

func lists(s *value) bool { return s.get("enum") != nil || s.get("const") != nil }

// separate reports whether the automata of both have nothing in common.
func separate(of func(*value) (*regular.DFA, error), a, b *value) (bool, error) {
	x, err := of(a)
	if err == nil {
		var y *regular.DFA
		if y, err = of(b); err == nil && x != nil && y != nil {
			_, err = regular.Intersect(x, y)
		}
	}
	if errors.Is(err, regular.ErrSize) {
		return false, nil
	}
	if errors.Is(err, regular.ErrEmpty) || isNever(err) {
		return true, nil
	}
	return false, err
}

// propertyApart reports whether a property that one requires and both describe tells the
// objects apart.
func (c *compiler) propertyApart(a, b *value, depth int) (bool, error) {
	for _, s := range [][2]*value{{a, b}, {b, a}} {
		required := s[0].get("required")
		if required == nil {
			continue
		}
		for _, name := range required.items {
			x, y := c.property(s[0], name.text), c.property(s[1], name.text)
			if x == nil || y == nil {
				continue
			}
			x, err := c.expand(x, false)
			if err != nil {
				return false, err
			}
			if y, err = c.expand(y, false); err != nil {
				return false, err
			}
			if ok, err := c.apart(x, y, depth+1); ok || err != nil {
				return ok, err
			}
		}
	}
	return false, nil
}

// property is the schema that s has for a property.
func (c *compiler) property(s *value, name string) *value {
	if p := s.get("properties"); p != nil && p.get(name) != nil {
		return p.get(name)
	}
	return c.additional(s)
}
