package schema

import (
	"errors"
	"slices"

	"eclat/model/grammar/pda"
	"eclat/model/grammar/regular"
)

// anyValue is a reference to the rule of any JSON value.
func (c *compiler) anyValue() *pda.Expr {
	if c.any == 0 {
		c.any = len(c.rules)
		c.rules = append(c.rules, pda.Rule{Name: "any JSON value"})
		self := &pda.Expr{Op: pda.Ref, Rule: c.any}
		c.rules[c.any].Expr = pda.Or(
			braced("{", entries(entry(anyString, self), 0, -1), "}"),
			braced("[", entries(pda.Cat(ws, self), 0, -1), "]"),
			anyString,
			&pda.Expr{Op: pda.Auto, DFA: allNumber},
			pda.Lit("true"), pda.Lit("false"), pda.Lit("null"))
	}
	return &pda.Expr{Op: pda.Ref, Rule: c.any}
}

var comma = pda.Lit(",")

func braced(open string, x *pda.Expr, shut string) *pda.Expr {
	return pda.Cat(pda.Lit(open), x, ws, pda.Lit(shut))
}

func entry(key, val *pda.Expr) *pda.Expr { return pda.Cat(ws, key, pda.Lit(":"), ws, val) }

// entries is least to most of x with commas between.
func entries(x *pda.Expr, least, most int) *pda.Expr {
	return &pda.Expr{Op: pda.Repeat, Kids: []*pda.Expr{x}, Sep: comma, Min: least, Max: most}
}

// additional is the schema of the properties that are not named.
func (c *compiler) additional(s *value) *value {
	if a := s.get("additionalProperties"); a != nil {
		return a
	}
	return &value{kind: boolean, truth: !c.Strict, parent: s, name: "additionalProperties"}
}

func (c *compiler) object(s *value) (*pda.Expr, error) {
	props := s.get("properties")
	if props == nil {
		props = newObject()
	}
	// A required name without a schema of its own has the additional properties'.
	need := map[string]*value{}
	named := slices.Clone(props.keys)
	schemas := slices.Clone(props.items)
	if r := s.get("required"); r != nil {
		for _, name := range r.items {
			if need[name.text] == nil && props.get(name.text) == nil {
				named = append(named, name.text)
				schemas = append(schemas, c.additional(s))
			}
			need[name.text] = name
		}
	}
	list := &pda.Expr{Op: pda.List, Sep: comma}
	for i, name := range named {
		val, err := c.schema(schemas[i])
		if isNever(err) {
			if need[name] == nil {
				continue
			}
			err = fail(need[name], ErrNever)
		}
		if err == nil {
			err = c.spend(1 + len(name)/16)
		}
		if err != nil {
			return nil, err
		}
		list.Kids = append(list.Kids, entry(pda.Lit(quote(name)), val))
		list.Need = append(list.Need, need[name] != nil)
	}
	rest, err := c.schema(c.additional(s))
	if isNever(err) {
		rest, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	least, most, err := c.propertyCounts(s, len(need), len(named), rest != nil)
	if err != nil {
		return nil, err
	}
	if rest != nil && most != 0 {
		key := anyString
		if len(named) > 0 {
			d, err := regular.Except(named)
			if err == nil {
				err = c.spend(len(d.Edges))
			}
			if err != nil {
				return nil, fail(s, err)
			}
			key = pda.Cat(pda.Lit(`"`), &pda.Expr{Op: pda.JSON, DFA: d}, pda.Lit(`"`))
		}
		list.Kids = append(list.Kids, entries(entry(key, rest), max(least, 1), most))
		list.Need = append(list.Need, least > 0)
	}
	return braced("{", list, "}"), nil
}

// propertyCounts returns how many additional properties there must and may be. A count is
// kept where the named properties cannot break it, or where none is named.
func (c *compiler) propertyCounts(s *value, required, named int, open bool) (least, most int, err error) {
	lo, hi, err := c.limits(s, "minProperties", "maxProperties")
	if err != nil {
		return 0, 0, err
	}
	most = -1
	if lo > required {
		v := s.get("minProperties")
		if named == 0 && !open {
			return 0, 0, fail(v, ErrNever)
		}
		if named > 0 || lo > 1 { // a name may repeat, so entries are no count of names
			return 0, 0, fail(v, errors.New("more than the required properties, it is supported only as 1 where no property is named"))
		}
		least = lo
	}
	if hi >= 0 && (open || hi < named) {
		v := s.get("maxProperties")
		if hi < required {
			return 0, 0, fail(v, ErrNever)
		}
		if named > 0 {
			return 0, 0, fail(v, errors.New("it is supported only where no property is named or none can be too many"))
		}
		most = hi
	}
	return least, most, nil
}
