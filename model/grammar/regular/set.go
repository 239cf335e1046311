package regular

import (
	"cmp"
	"slices"
	"unicode"
)

// Range is the characters from Lo to Hi, both included.
type Range struct{ Lo, Hi rune }

// Set is a set of characters: sorted ranges that neither touch nor overlap.
type Set []Range

// Any is every Unicode scalar value: all code points but the surrogates.
var Any = Set{{0, 0xD7FF}, {0xE000, unicode.MaxRune}}

// NewSet returns the set of the characters in ranges, which may overlap. Surrogates and
// what lies outside Unicode drop out.
func NewSet(ranges ...Range) Set {
	r := slices.Clone(ranges)
	slices.SortFunc(r, func(a, b Range) int { return cmp.Compare(a.Lo, b.Lo) })
	var s Set
	for _, x := range r {
		if x.Lo > x.Hi {
			continue
		}
		if n := len(s); n > 0 && x.Lo <= s[n-1].Hi+1 {
			s[n-1].Hi = max(s[n-1].Hi, x.Hi)
		} else {
			s = append(s, x)
		}
	}
	return s.Intersect(Any)
}

// Negate returns the characters that are not in s.
func (s Set) Negate() Set {
	var n Set
	at := rune(0)
	for _, r := range s {
		if at < r.Lo {
			n = append(n, Range{at, r.Lo - 1})
		}
		at = r.Hi + 1
	}
	if at <= unicode.MaxRune {
		n = append(n, Range{at, unicode.MaxRune})
	}
	return n.Intersect(Any)
}

// Intersect returns the characters in both.
func (s Set) Intersect(t Set) Set {
	var both Set
	for i, j := 0, 0; i < len(s) && j < len(t); {
		if lo, hi := max(s[i].Lo, t[j].Lo), min(s[i].Hi, t[j].Hi); lo <= hi {
			both = append(both, Range{lo, hi})
		}
		if s[i].Hi < t[j].Hi {
			i++
		} else {
			j++
		}
	}
	return both
}

// Has reports whether c is in the set.
func (s Set) Has(c rune) bool {
	i, ok := slices.BinarySearchFunc(s, c, func(r Range, c rune) int { return cmp.Compare(r.Lo, c) })
	return ok || i > 0 && c <= s[i-1].Hi
}

// property is the set of a Unicode category or script, as in \p{L} or \p{Greek}.
func property(name string) (Set, bool) {
	table, ok := unicode.Categories[name]
	if !ok {
		if table, ok = unicode.Scripts[name]; !ok {
			return nil, false
		}
	}
	var r []Range
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			r = append(r, Range{lo, hi})
			return
		}
		for c := lo; c <= hi; c += stride {
			r = append(r, Range{c, c})
		}
	}
	for _, x := range table.R16 {
		add(rune(x.Lo), rune(x.Hi), rune(x.Stride))
	}
	for _, x := range table.R32 {
		add(rune(x.Lo), rune(x.Hi), rune(x.Stride))
	}
	return NewSet(r...), true
}
