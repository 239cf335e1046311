package schema

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// decimal is a number as digits: ±whole.part, no needless zeros, "0" for a whole of none.
type decimal struct {
	neg         bool
	whole, part string
}

const maxDigits = 100

// parseDecimal reads a JSON number.
func parseDecimal(s string) (decimal, error) {
	var d decimal
	s, d.neg = strings.CutPrefix(s, "-")
	exp := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		var err error
		if exp, err = strconv.Atoi(strings.TrimPrefix(s[i+1:], "+")); err != nil {
			return d, errors.New("an exponent out of reach")
		}
		s = s[:i]
	}
	d.whole, d.part, _ = strings.Cut(s, ".")
	if len(s) > maxDigits || exp > maxDigits || exp < -maxDigits {
		return d, fmt.Errorf("a number of more than %d digits", maxDigits)
	}
	if exp > 0 {
		d.part += strings.Repeat("0", exp)
		d.whole, d.part = d.whole+d.part[:exp], d.part[exp:]
	} else if exp < 0 {
		d.whole = strings.Repeat("0", -exp) + d.whole
		at := len(d.whole) + exp
		d.whole, d.part = d.whole[:at], d.whole[at:]+d.part
	}
	d.whole = strings.TrimLeft(d.whole, "0")
	d.part = strings.TrimRight(d.part, "0")
	if d.whole == "" {
		d.whole = "0"
	}
	if d.zero() {
		d.neg = false
	}
	return d, nil
}

func (d decimal) zero() bool { return d.whole == "0" && d.part == "" }

func (d decimal) String() string {
	s := d.whole
	if d.part != "" {
		s += "." + d.part
	}
	if d.neg {
		s = "-" + s
	}
	return s
}

func (d decimal) cmp(e decimal) int {
	if d.neg != e.neg {
		if d.neg {
			return -1
		}
		return 1
	}
	c := cmp.Or(cmp.Compare(len(d.whole), len(e.whole)), strings.Compare(d.whole, e.whole), strings.Compare(d.part, e.part))
	if d.neg {
		c = -c
	}
	return c
}
