package schema

import (
	"fmt"
	"strconv"

	"eclat/model/grammar/pda"
	"eclat/model/grammar/regular"
)

// Numerals without and with bounds: bounds are compared digit by digit, so what is held to
// them has no exponent.
var (
	integers  = mustCompile(`^(0|-?[1-9][0-9]*)$`)
	decimals  = mustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	allNumber = mustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$`)
)

func mustCompile(pattern string) *regular.DFA {
	d, err := regular.Compile(pattern)
	if err != nil {
		panic(err) // the pattern stands in this package
	}
	return d
}

// numerals returns the automaton of the numbers that s allows, nil for none.
func (c *compiler) numerals(s *value, whole bool) (*regular.DFA, error) {
	d, free := allNumber, true
	if whole {
		d = integers
	}
	and := func(v *value, other *regular.DFA, err error) error {
		if free && !whole {
			d = decimals
		}
		free = false
		if err == nil {
			d, err = regular.Intersect(d, other)
		}
		if err != nil {
			return failAutomaton(v, err)
		}
		return nil
	}
	for _, b := range []struct {
		key          string
		least, equal bool
	}{{"minimum", true, true}, {"exclusiveMinimum", true, false}, {"maximum", false, true}, {"exclusiveMaximum", false, false}} {
		v := s.get(b.key)
		if v == nil {
			continue
		}
		limit, err := parseDecimal(v.text)
		if err != nil {
			return nil, fail(v, err)
		}
		bound, err := bounded(limit, b.least, b.equal)
		if err := and(v, bound, err); err != nil {
			return nil, err
		}
	}
	for _, v := range each(s.get("multipleOf")) {
		of, err := parseDecimal(v.text)
		var m *regular.DFA
		if err == nil {
			m, err = multiples(of)
		}
		if err := and(v, m, err); err != nil {
			return nil, err
		}
	}
	if free {
		return d, nil
	}
	if err := c.spend(32 + 2*len(d.Edges)); err != nil {
		return nil, fail(s, err)
	}
	return d, nil
}

func (c *compiler) number(s *value, whole bool) (*pda.Expr, error) {
	d, err := c.numerals(s, whole)
	if err != nil {
		return nil, err
	}
	return &pda.Expr{Op: pda.Auto, DFA: d}, nil
}

const numeral = "-.0123456789"

// compared is how far a numeral has been compared with a limit, sign apart.
type compared struct {
	neg, some, frac bool // a minus, a digit other than 0, a point
	at              int  // digits of the whole, then of the part behind the point, compared
	cmp             int  // −1, 0, 1: the digits so far are below, equal to, above the limit's
}

// bounded returns the automaton of the numerals at least (at most, where least is false)
// limit, limit itself where equal. What is no numeral it may take too.
func bounded(limit decimal, least, equal bool) (*regular.DFA, error) {
	sign := func(a, b byte) int {
		if a < b {
			return -1
		}
		if a > b {
			return 1
		}
		return 0
	}
	// length settles the comparison of the wholes by their lengths.
	length := func(s compared) compared {
		switch {
		case s.at < len(limit.whole):
			s.cmp = -1
		case s.at > len(limit.whole):
			s.cmp = 1
		}
		s.at = 0
		return s
	}
	step := func(s compared, c rune) (compared, bool) {
		switch {
		case c == '-':
			s.neg = true
			return s, true
		case c == '.':
			if s.frac {
				return s, false
			}
			s = length(s)
			s.frac = true
			return s, true
		}
		s.some = s.some || c != '0'
		switch {
		case !s.frac && s.at < len(limit.whole):
			if s.cmp == 0 {
				s.cmp = sign(byte(c), limit.whole[s.at])
			}
			s.at++
		case !s.frac:
			s.at, s.cmp = len(limit.whole)+1, 0
		case s.cmp == 0 && s.at < len(limit.part):
			s.cmp = sign(byte(c), limit.part[s.at])
			s.at++
		case s.cmp == 0 && c != '0':
			s.cmp = 1
		}
		if s.frac && s.cmp != 0 {
			s.at = 0
		}
		return s, true
	}
	final := func(s compared) bool {
		if !s.frac {
			s = length(s)
		}
		if s.cmp == 0 && s.at < len(limit.part) {
			s.cmp = -1
		}
		neg := s.neg && s.some
		switch {
		case neg && limit.neg:
			s.cmp = -s.cmp
		case neg:
			s.cmp = -1
		case limit.neg:
			s.cmp = 1
		}
		return s.cmp == 0 && equal || s.cmp > 0 && least || s.cmp < 0 && !least
	}
	return regular.Explore(compared{}, numeral, step, final)
}

// remainder is what a numeral leaves, its point moved, divided by the divisor's digits.
type remainder struct {
	rest   int
	frac   bool
	places int // digits behind the point
}

// multiples returns the automaton of the numerals that are multiples of of. With p digits
// behind of's point, x is a multiple where x·10^p is an integer that of·10^p divides.
func multiples(of decimal) (*regular.DFA, error) {
	by, err := strconv.Atoi(of.whole + of.part)
	if of.neg || by == 0 {
		return nil, fmt.Errorf("%s is not greater than 0", of)
	}
	if err != nil || by > 4000 {
		return nil, fmt.Errorf("multiples of %s are not supported: its digits, as one integer, may be at most 4000", of)
	}
	places := len(of.part)
	step := func(s remainder, c rune) (remainder, bool) {
		switch {
		case c == '-':
			return s, true
		case c == '.':
			s.frac = true
			return s, true
		case s.frac && s.places == places: // further zeros only
			return s, c == '0'
		case s.frac:
			s.places++
		}
		s.rest = (s.rest*10 + int(c-'0')) % by
		return s, true
	}
	final := func(s remainder) bool {
		for n := s.places; n < places; n++ {
			s.rest = s.rest * 10 % by
		}
		return s.rest == 0
	}
	return regular.Explore(remainder{}, numeral, step, final)
}
