package schema

import (
	"errors"

	"eclat/model/grammar/pda"
	"eclat/model/grammar/regular"
)

func chars(ranges ...rune) *pda.Expr {
	var r []regular.Range
	for i := 0; i < len(ranges); i += 2 {
		r = append(r, regular.Range{Lo: ranges[i], Hi: ranges[i+1]})
	}
	return &pda.Expr{Op: pda.Chars, Set: regular.NewSet(r...)}
}

var (
	// ws stands where a token of JSON may be followed by another.
	ws = pda.Times(chars(' ', ' ', '\n', '\n'), 0, 1)

	hex = chars('0', '9', 'a', 'f', 'A', 'F')
	// character is one character of a JSON string in any spelling. Surrogates are written
	// in pairs.
	character = pda.Or(
		chars(0x20, '!', '#', '[', ']', 0x10FFFF),
		pda.Cat(pda.Lit(`\`), pda.Or(
			chars('"', '"', '\\', '\\', '/', '/', 'b', 'b', 'f', 'f', 'n', 'n', 'r', 'r', 't', 't'),
			pda.Cat(pda.Lit("u"), pda.Or(
				pda.Cat(chars('0', '9', 'a', 'c', 'e', 'f', 'A', 'C', 'E', 'F'), hex, hex, hex),
				pda.Cat(chars('d', 'd', 'D', 'D'), chars('0', '7'), hex, hex),
				pda.Cat(chars('d', 'd', 'D', 'D'), chars('8', '9', 'a', 'b', 'A', 'B'), hex, hex, pda.Lit(`\u`),
					chars('d', 'd', 'D', 'D'), chars('c', 'f', 'C', 'F'), hex, hex))))))
	anyString = pda.Cat(pda.Lit(`"`), pda.Times(character, 0, -1), pda.Lit(`"`))
)

// words returns the automaton of the strings that pattern, format and the lengths allow,
// nil where there is neither pattern nor format.
func (c *compiler) words(s *value) (*regular.DFA, error) {
	var d *regular.DFA
	and := func(v *value, other *regular.DFA, err error) error {
		if err == nil && d != nil {
			other, err = regular.Intersect(d, other)
		}
		if err != nil {
			return failAutomaton(v, err)
		}
		d = other
		return nil
	}
	for _, v := range each(s.get("pattern")) {
		p, err := c.compilePattern(v.text)
		if err := and(v, p, err); err != nil {
			return nil, err
		}
	}
	for _, v := range each(s.get("format")) {
		p, err := c.format(v.text)
		if err := and(v, p, err); err != nil {
			return nil, err
		}
	}
	least, most, err := c.limits(s, "minLength", "maxLength")
	if err != nil || d == nil || least == 0 && most < 0 {
		return d, err
	}
	l, err := regular.Length(least, most)
	if err := and(s, l, err); err != nil {
		return nil, err
	}
	return d, nil
}

// compilePattern compiles a pattern once, however many schemas use it.
func (c *compiler) compilePattern(pattern string) (*regular.DFA, error) {
	if d, ok := c.patterns[pattern]; ok {
		return d, nil
	}
	if c.patternBytes += len(pattern); c.patternBytes > 1<<16 || len(c.patterns) > 256 {
		return nil, errors.New("too many patterns, or too long ones")
	}
	d, err := regular.Compile(pattern)
	if err == nil {
		c.patterns[pattern] = d
		err = c.spend(len(d.Edges))
	}
	return d, err
}

func (c *compiler) string(s *value) (*pda.Expr, error) {
	d, err := c.words(s)
	if err != nil {
		return nil, err
	}
	if d != nil {
		if err := c.spend(len(d.Edges)); err != nil {
			return nil, fail(s, err)
		}
		return pda.Cat(pda.Lit(`"`), &pda.Expr{Op: pda.JSON, DFA: d}, pda.Lit(`"`)), nil
	}
	least, most, err := c.limits(s, "minLength", "maxLength")
	if err != nil {
		return nil, err
	}
	return pda.Cat(pda.Lit(`"`), pda.Times(character, least, most), pda.Lit(`"`)), nil
}
