package schema

import (
	"errors"

	"eclat/model/grammar/pda"
)

const maxPrefix = 1000 // schemas in prefixItems

func (c *compiler) array(s *value) (*pda.Expr, error) {
	least, most, err := c.limits(s, "minItems", "maxItems")
	if err != nil {
		return nil, err
	}
	var prefix []*pda.Expr
	var rest *pda.Expr
	open := true // more may follow
	if p := s.get("prefixItems"); p != nil {
		if len(p.items) > maxPrefix {
			return nil, fail(p, errors.New("it has more than 1000 elements"))
		}
		for i := 0; i < len(p.items) && open && (most < 0 || i < most); i++ {
			x, err := c.schema(p.items[i])
			if isNever(err) {
				open, err = false, nil
			}
			if err != nil {
				return nil, err
			}
			if open {
				prefix = append(prefix, pda.Cat(ws, x))
			}
		}
	}
	if open && (most < 0 || len(prefix) < most) {
		if items := s.get("items"); items != nil {
			rest, err = c.schema(items)
		} else {
			rest = c.anyValue()
		}
		if isNever(err) {
			rest, err = nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	k := len(prefix)
	if rest == nil && least > k {
		return nil, fail(s, ErrNever)
	}
	body := pda.Cat()
	if rest != nil {
		rest = pda.Cat(ws, rest)
		lo, hi := max(least-k, 0), most
		if hi >= 0 {
			hi -= k
		}
		if k == 0 {
			return braced("[", entries(rest, lo, hi), "]"), nil
		}
		body = pda.Times(pda.Cat(comma, rest), lo, hi)
	}
	for i := k - 1; i >= 0; i-- {
		if body = pda.Cat(prefix[i], body); i > 0 {
			body = pda.Cat(comma, body)
		}
		if i >= least {
			body = pda.Times(body, 0, 1)
		}
	}
	return braced("[", body, "]"), nil
}
