package regular

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// The nodes of a parsed expression.
type op uint8

const (
	opSet    op = iota // one character of set
	opSeq              // kids one after another; none: the empty string
	opAlt              // one of kids
	opRepeat           // kids[0], min to max times; max < 0: no limit
	opBegin            // ^
	opEnd              // $
)

type node struct {
	op       op
	set      Set
	kids     []*node
	min, max int
}

const (
	maxPattern = 64 << 10 // bytes of an expression
	maxNest    = 200      // groups in groups
	maxCount   = 100_000  // in {m,n}
)

var (
	digit    = NewSet(Range{'0', '9'})
	word     = NewSet(Range{'0', '9'}, Range{'A', 'Z'}, Range{'a', 'z'}, Range{'_', '_'})
	space    = NewSet(Range{'\t', '\r'}, Range{' ', ' '}, Range{0xA0, 0xA0}, Range{0x1680, 0x1680}, Range{0x2000, 0x200A}, Range{0x2028, 0x2029}, Range{0x202F, 0x202F}, Range{0x205F, 0x205F}, Range{0x3000, 0x3000}, Range{0xFEFF, 0xFEFF})
	lineEnds = NewSet(Range{'\n', '\n'}, Range{'\r', '\r'}, Range{0x2028, 0x2029})
)

// parser reads the regular part of ECMA-262's expressions, flag u: alternatives, groups,
// classes, escapes, quantifiers (lazy ones accept the same strings) and the anchors ^ $.
type parser struct {
	s    string
	nest int
}

func parse(pattern string) (*node, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("an expression of %d bytes; at most %d are read", len(pattern), maxPattern)
	}
	if !utf8.ValidString(pattern) {
		return nil, errors.New("not UTF-8")
	}
	p := &parser{s: pattern}
	n, err := p.alternatives()
	if err == nil && p.s != "" {
		err = errors.New("a ) without its (")
	}
	return n, err
}

func (p *parser) eat(prefix string) bool {
	if len(p.s) < len(prefix) || p.s[:len(prefix)] != prefix {
		return false
	}
	p.s = p.s[len(prefix):]
	return true
}

// next takes one character; the caller knows that there is one.
func (p *parser) next() rune {
	c, n := utf8.DecodeRuneInString(p.s)
	p.s = p.s[n:]
	return c
}

func (p *parser) alternatives() (*node, error) {
	if p.nest++; p.nest > maxNest {
		return nil, fmt.Errorf("groups nested deeper than %d", maxNest)
	}
	defer func() { p.nest-- }()
	alt := &node{op: opAlt}
	for {
		seq := &node{op: opSeq}
		for p.s != "" && p.s[0] != '|' && p.s[0] != ')' {
			n, err := p.quantified()
			if err != nil {
				return nil, err
			}
			seq.kids = append(seq.kids, n)
		}
		alt.kids = append(alt.kids, seq)
		if !p.eat("|") {
			return alt, nil
		}
	}
}

func (p *parser) quantified() (*node, error) {
	n, err := p.atom()
	if err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		lo, hi := 0, -1
		switch {
		case p.eat("*"):
		case p.eat("+"):
			lo = 1
		case p.eat("?"):
			hi = 1
		case p.eat("{"):
			if lo, hi, err = p.counts(); err != nil {
				return nil, err
			}
		default:
			return n, nil
		}
		if !first || n.op == opBegin || n.op == opEnd {
			return nil, errors.New("a quantifier with nothing before it")
		}
		p.eat("?")
		n = &node{op: opRepeat, kids: []*node{n}, min: lo, max: hi}
	}
}

// counts reads the rest of {m}, {m,} or {m,n}.
func (p *parser) counts() (lo, hi int, err error) {
	number := func() (int, bool) {
		i := 0
		for i < len(p.s) && i < 7 && '0' <= p.s[i] && p.s[i] <= '9' {
			i++
		}
		n, err := strconv.Atoi(p.s[:i])
		p.s = p.s[i:]
		return n, err == nil && n <= maxCount
	}
	lo, ok := number()
	hi = lo
	if ok && p.eat(",") {
		if hi = -1; p.s != "" && p.s[0] != '}' {
			hi, ok = number()
		}
	}
	if !ok || !p.eat("}") || hi >= 0 && hi < lo {
		return 0, 0, fmt.Errorf("a count in { } that is not m; m, or m,n of at most %d", maxCount)
	}
	return lo, hi, nil
}

func (p *parser) atom() (*node, error) {
	switch c := p.next(); c {
	case '^':
		return &node{op: opBegin}, nil
	case '$':
		return &node{op: opEnd}, nil
	case '.':
		return &node{op: opSet, set: lineEnds.Negate()}, nil
	case '(':
		if p.eat("?") && !p.eat(":") {
			return nil, errors.New("groups that begin (? other than (?: are not supported")
		}
		n, err := p.alternatives()
		if err == nil && !p.eat(")") {
			err = errors.New("a ( without its )")
		}
		return n, err
	case '[':
		set, err := p.class()
		return &node{op: opSet, set: set}, err
	case '\\':
		set, err := p.escape(false)
		return &node{op: opSet, set: set}, err
	case '*', '+', '?', '{':
		return nil, errors.New("a quantifier with nothing before it")
	default:
		return &node{op: opSet, set: Set{{c, c}}}, nil
	}
}

// class reads the rest of a [class].
func (p *parser) class() (Set, error) {
	not := p.eat("^")
	var all []Range
	for !p.eat("]") {
		if p.s == "" {
			return nil, errors.New("a [ without its ]")
		}
		lo, err := p.member()
		if err != nil {
			return nil, err
		}
		if len(p.s) < 2 || p.s[0] != '-' || p.s[1] == ']' {
			all = append(all, lo...)
			continue
		}
		p.eat("-")
		hi, err := p.member()
		if err != nil {
			return nil, err
		}
		if !lo.one() || !hi.one() || lo[0].Lo > hi[0].Lo {
			return nil, errors.New("a range in [ ] that runs backwards or not between characters")
		}
		all = append(all, Range{lo[0].Lo, hi[0].Lo})
	}
	set := NewSet(all...)
	if not {
		set = set.Negate()
	}
	if len(set) == 0 {
		return nil, errors.New("a class of no character")
	}
	return set, nil
}

func (s Set) one() bool { return len(s) == 1 && s[0].Lo == s[0].Hi }

func (p *parser) member() (Set, error) {
	c := p.next()
	if c == '\\' {
		return p.escape(true)
	}
	return Set{{c, c}}, nil
}

// escape reads what follows a backslash.
func (p *parser) escape(inClass bool) (Set, error) {
	if p.s == "" {
		return nil, errors.New("a \\ at the end")
	}
	one := func(c rune) (Set, error) { return Set{{c, c}}, nil }
	c := p.next()
	switch c {
	case 'd':
		return digit, nil
	case 'D':
		return digit.Negate(), nil
	case 'w':
		return word, nil
	case 'W':
		return word.Negate(), nil
	case 's':
		return space, nil
	case 'S':
		return space.Negate(), nil
	case 't':
		return one('\t')
	case 'n':
		return one('\n')
	case 'r':
		return one('\r')
	case 'f':
		return one('\f')
	case 'v':
		return one('\v')
	case 'x':
		return p.hex(2)
	case 'u':
		if p.eat("{") {
			i := 0
			for i < len(p.s) && p.s[i] != '}' {
				i++
			}
			set, err := p.hex(i)
			if err == nil && !p.eat("}") {
				err = errors.New("a \\u{ without its }")
			}
			return set, err
		}
		return p.hex(4)
	case 'p', 'P':
		return p.property(c == 'P')
	case 'b':
		if inClass {
			return one('\b')
		}
	case '0':
		if p.s == "" || p.s[0] < '0' || p.s[0] > '9' {
			return one(0)
		}
	}
	if word.Has(c) {
		return nil, fmt.Errorf("\\%c is not supported", c)
	}
	return one(c)
}

// hex reads a character of n hexadecimal digits.
func (p *parser) hex(n int) (Set, error) {
	if n < 1 || n > 8 || len(p.s) < n {
		return nil, errors.New("an escape that lacks its hexadecimal digits")
	}
	v, err := strconv.ParseUint(p.s[:n], 16, 32)
	if err != nil || !Any.Has(rune(v)) {
		return nil, fmt.Errorf("an escape of %q, which is no character", p.s[:n])
	}
	p.s = p.s[n:]
	return Set{{rune(v), rune(v)}}, nil
}

func (p *parser) property(not bool) (Set, error) {
	for i := 1; i < len(p.s) && p.s[0] == '{'; i++ {
		if p.s[i] == '}' {
			name := p.s[1:i]
			set, ok := property(name)
			if !ok {
				return nil, fmt.Errorf("\\p{%s} is not supported", name)
			}
			p.s = p.s[i+1:]
			if not {
				set = set.Negate()
			}
			return set, nil
		}
	}
	return nil, errors.New("a \\p without its {name}")
}
