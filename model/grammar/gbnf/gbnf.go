package gbnf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"eclat/model/grammar/pda"
	"eclat/model/grammar/regular"
)

// Limits of a text.
const (
	maxBytes = 4 << 20
	maxNest  = 200
	maxCount = 1 << 24
)

type parser struct {
	s     string
	at    int
	nest  int
	rule  string // being read
	rules []pda.Rule
	index map[string]int
	lines []int // where each rule is first named

	seen, newlines int // line ends before seen
}

// Parse reads a grammar. The rule root comes first in the answer. An error names the line,
// and the rule where there is one.
func Parse(text string) ([]pda.Rule, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("grammar: %d bytes; at most %d", len(text), maxBytes)
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("grammar: not UTF-8")
	}
	p := &parser{s: text, index: map[string]int{}}
	p.number("root")
	p.space(true)
	for p.at < len(p.s) {
		if err := p.define(); err != nil {
			where := ""
			if p.rule != "" {
				where = fmt.Sprintf(", rule %q", p.rule)
			}
			return nil, fmt.Errorf("grammar: line %d%s: %w", p.line(), where, err)
		}
	}
	for i, r := range p.rules {
		if r.Expr == nil {
			if i == 0 {
				return nil, errors.New(`grammar: there is no rule "root"`)
			}
			return nil, fmt.Errorf("grammar: line %d: rule %q is not defined", p.lines[i], r.Name)
		}
	}
	return p.rules, nil
}

// line is the line of the next character. The text is counted once.
func (p *parser) line() int {
	if p.at > p.seen {
		p.newlines += strings.Count(p.s[p.seen:p.at], "\n")
		p.seen = p.at
	}
	return 1 + p.newlines
}

// number returns the rule's number, a new one where it was not met before.
func (p *parser) number(name string) int {
	n, ok := p.index[name]
	if !ok {
		n = len(p.rules)
		p.index[name] = n
		p.rules = append(p.rules, pda.Rule{Name: name})
		p.lines = append(p.lines, p.line())
	}
	return n
}

// space skips blanks and comments, and line ends where they mean nothing.
func (p *parser) space(lines bool) {
	for ; p.at < len(p.s); p.at++ {
		switch c := p.s[p.at]; {
		case c == '#':
			for p.at+1 < len(p.s) && p.s[p.at+1] != '\n' {
				p.at++
			}
		case c == ' ' || c == '\t' || lines && (c == '\n' || c == '\r'):
		default:
			return
		}
	}
}

func (p *parser) peek() byte {
	if p.at < len(p.s) {
		return p.s[p.at]
	}
	return 0
}

func (p *parser) eat(text string) bool {
	if strings.HasPrefix(p.s[p.at:], text) {
		p.at += len(text)
		return true
	}
	return false
}

func (p *parser) name() string {
	from := p.at
	for p.at < len(p.s) {
		c := p.s[p.at]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			break
		}
		p.at++
	}
	return p.s[from:p.at]
}

func (p *parser) define() error {
	p.rule = ""
	name := p.name()
	if name == "" {
		return fmt.Errorf("%q where a rule should begin", p.char())
	}
	p.rule = name
	p.space(false)
	if !p.eat("::=") {
		return errors.New("no ::= behind the name")
	}
	p.space(true)
	n := p.number(name)
	if p.rules[n].Expr != nil {
		return errors.New("it is defined a second time")
	}
	x, err := p.alternatives(false)
	if err != nil {
		return err
	}
	if p.at < len(p.s) && p.peek() != '\n' && p.peek() != '\r' {
		return fmt.Errorf("%q is not understood", p.char())
	}
	p.rules[n].Expr = x
	p.space(true)
	return nil
}

// char is the next character, for errors.
func (p *parser) char() string {
	_, n := utf8.DecodeRuneInString(p.s[p.at:])
	return p.s[p.at : p.at+n]
}

func (p *parser) alternatives(inside bool) (*pda.Expr, error) {
	if p.nest++; p.nest > maxNest {
		return nil, fmt.Errorf("parentheses nested deeper than %d", maxNest)
	}
	defer func() { p.nest-- }()
	var all []*pda.Expr
	for {
		x, err := p.sequence(inside)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
		if !inside { // a line that begins with | goes on with the rule
			end := p.at
			if p.space(true); p.peek() != '|' {
				p.at = end
			}
		}
		if !p.eat("|") {
			return pda.Or(all...), nil
		}
		p.space(true)
	}
}

func (p *parser) sequence(inside bool) (*pda.Expr, error) {
	var all []*pda.Expr
	for {
		x, err := p.item()
		if err != nil {
			return nil, err
		}
		if x == nil {
			return pda.Cat(all...), nil
		}
		if p.space(inside); p.at < len(p.s) {
			if x, err = p.repeated(x, inside); err != nil {
				return nil, err
			}
		}
		all = append(all, x)
	}
}

// item reads one item without what repeats it; nil where none follows.
func (p *parser) item() (*pda.Expr, error) {
	switch c := p.peek(); {
	case c == '"':
		p.at++
		var text []byte
		for !p.eat(`"`) {
			r, err := p.character('"')
			if err != nil {
				return nil, err
			}
			text = utf8.AppendRune(text, r)
		}
		return pda.Lit(string(text)), nil
	case c == '[':
		p.at++
		return p.class()
	case c == '.':
		p.at++
		return &pda.Expr{Op: pda.Chars, Set: regular.Any}, nil
	case c == '(':
		p.at++
		p.space(true)
		x, err := p.alternatives(true)
		if err == nil && !p.eat(")") {
			err = errors.New("a ( without its )")
		}
		return x, err
	case c == '<' || c == '!':
		return nil, errors.New("references to tokens are not supported")
	}
	name := p.name()
	if name == "" {
		return nil, nil
	}
	n := p.number(name)
	return &pda.Expr{Op: pda.Ref, Rule: n}, nil
}

// repeated reads * + ? { } behind x.
func (p *parser) repeated(x *pda.Expr, inside bool) (*pda.Expr, error) {
	for n := 0; ; n++ {
		least, most := 0, -1
		switch {
		case p.eat("*"):
		case p.eat("+"):
			least = 1
		case p.eat("?"):
			most = 1
		case p.eat("{"):
			var err error
			if least, most, err = p.counts(); err != nil {
				return nil, err
			}
		default:
			return x, nil
		}
		if n >= 4 {
			return nil, errors.New("repetitions of repetitions of repetitions")
		}
		x = pda.Times(x, least, most)
		p.space(inside)
	}
}

func (p *parser) counts() (least, most int, err error) {
	number := func() (int, bool) {
		p.space(false)
		from := p.at
		for '0' <= p.peek() && p.peek() <= '9' {
			p.at++
		}
		n, err := strconv.Atoi(p.s[from:p.at])
		p.space(false)
		return n, err == nil && n <= maxCount
	}
	least, ok := number()
	most = least
	if ok && p.eat(",") {
		if p.space(false); p.peek() == '}' {
			most = -1
		} else {
			most, ok = number()
		}
	}
	if !ok || !p.eat("}") || most >= 0 && most < least {
		return 0, 0, fmt.Errorf("a count in { } that is not m; m, or m,n of at most %d", maxCount)
	}
	return least, most, nil
}

func (p *parser) class() (*pda.Expr, error) {
	not := p.eat("^")
	var all []regular.Range
	for !p.eat("]") {
		lo, err := p.character(']')
		if err != nil {
			return nil, err
		}
		hi := lo
		if p.peek() == '-' && p.at+1 < len(p.s) && p.s[p.at+1] != ']' {
			p.at++
			if hi, err = p.character(']'); err != nil {
				return nil, err
			}
			if hi < lo {
				return nil, fmt.Errorf("a range in [ ] that runs backwards, %q to %q", lo, hi)
			}
		}
		all = append(all, regular.Range{Lo: lo, Hi: hi})
	}
	set := regular.NewSet(all...)
	if not {
		set = set.Negate()
	}
	if len(set) == 0 {
		return nil, errors.New("a class of no character")
	}
	return &pda.Expr{Op: pda.Chars, Set: set}, nil
}

// character reads one character of a text or class that ends with end.
func (p *parser) character(end byte) (rune, error) {
	if p.at >= len(p.s) || p.s[p.at] == '\n' {
		return 0, fmt.Errorf("no %q at the end", end)
	}
	c, n := utf8.DecodeRuneInString(p.s[p.at:])
	p.at += n
	if c != '\\' {
		return c, nil
	}
	if p.at >= len(p.s) {
		return 0, errors.New("a \\ at the end")
	}
	c = rune(p.s[p.at])
	p.at++
	digits := 0
	switch c {
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case '\\', '"', '[', ']', '-', '^':
		return c, nil
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		return 0, fmt.Errorf("the escape \\%c is not known", c)
	}
	if len(p.s)-p.at < digits {
		return 0, errors.New("an escape that lacks its hexadecimal digits")
	}
	v, err := strconv.ParseUint(p.s[p.at:p.at+digits], 16, 32)
	if err != nil || v > utf8.MaxRune || !regular.Any.Has(rune(v)) {
		return 0, fmt.Errorf("an escape of %q, which is no character", p.s[p.at:p.at+digits])
	}
	p.at += digits
	return rune(v), nil
}
