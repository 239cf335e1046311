package jinja

import (
	"math/big"
	"slices"
	"strconv"
)

// expression reads an expression, from the weakest operator: a if c else b.
func (p *parser) expression() expr {
	p.enter()
	defer p.leave()
	e, n := p.or(), 0
	for p.skipName("if") {
		p.chain(&n)
		c := &condExpr{then: e, cond: p.or()}
		if p.skipName("else") {
			c.other = p.expression()
		}
		e = c
	}
	return e
}

// tuple reads an expression, or several with commas between them. With noCond an if
// ends it: that of a loop. With empty there may be none.
func (p *parser) tuple(noCond, empty bool) expr {
	p.enter()
	defer p.leave()
	var items []expr
	is := false
	for {
		if len(items) > 0 {
			p.expectOp(",")
		}
		if k := p.cur().kind; k == '!' || k == '}' || p.isOp(")") || len(items) > 0 && noCond && p.isName("recursive") {
			break
		}
		if noCond {
			items = append(items, p.or())
		} else {
			items = append(items, p.expression())
		}
		if !p.isOp(",") {
			break
		}
		is = true
	}
	if !is && len(items) == 1 {
		return items[0]
	}
	if !is && !empty {
		p.fail("expected an expression, found %s", p.what())
	}
	return &listExpr{items, true}
}

// left reads operators of one strength, nested to the left.
func (p *parser) left(operand func() expr, ops ...string) expr {
	e, n := operand(), 0
	for p.isOps(ops...) {
		p.chain(&n)
		t := p.next()
		e = &binaryExpr{t.text, e, operand(), t.line}
	}
	return e
}

func (p *parser) or() expr {
	e, n := p.and(), 0
	for p.isName("or") {
		p.chain(&n)
		e = &binaryExpr{"or", e, nil, p.next().line}
		e.(*binaryExpr).b = p.and()
	}
	return e
}

func (p *parser) and() expr {
	e, n := p.not(), 0
	for p.isName("and") {
		p.chain(&n)
		e = &binaryExpr{"and", e, nil, p.next().line}
		e.(*binaryExpr).b = p.not()
	}
	return e
}

func (p *parser) not() expr {
	if !p.isName("not") {
		return p.compare()
	}
	p.enter()
	defer p.leave()
	line := p.next().line
	return &unaryExpr{"not", p.not(), line}
}

func (p *parser) compare() expr {
	c := &compareExpr{first: p.sum(), line: p.cur().line}
	for n := 0; ; p.chain(&n) {
		switch {
		case p.isOps("==", "!=", "<", "<=", ">", ">="):
			c.ops = append(c.ops, p.next().text)
		case p.skipName("in"):
			c.ops = append(c.ops, "in")
		case p.isName("not") && p.toks[p.at+1].kind == 'n' && p.toks[p.at+1].text == "in":
			p.next()
			p.next()
			c.ops = append(c.ops, "not in")
		case len(c.ops) == 0:
			return c.first
		default:
			return c
		}
		c.rest = append(c.rest, p.sum())
	}
}

func (p *parser) sum() expr { return p.left(p.concat, "+", "-") }

func (p *parser) concat() expr {
	e := p.product()
	if !p.isOp("~") {
		return e
	}
	c := &concatExpr{[]expr{e}}
	for p.skipOp("~") {
		c.parts = append(c.parts, p.product())
	}
	return c
}

func (p *parser) product() expr { return p.left(p.power, "*", "/", "//", "%") }

func (p *parser) power() expr { return p.left(func() expr { return p.unary(true) }, "**") }

func (p *parser) unary(filters bool) expr {
	p.enter()
	defer p.leave()
	var e expr
	if p.isOps("-", "+") {
		t := p.next()
		e = &unaryExpr{t.text, p.unary(false), t.line}
	} else {
		e = p.primary()
	}
	e = p.postfix(e)
	if filters {
		e = p.filterOrTest(e)
	}
	return e
}

func (p *parser) primary() expr {
	t := p.cur()
	switch t.kind {
	case 'n':
		p.next()
		switch t.text {
		case "true", "True":
			return &constExpr{true}
		case "false", "False":
			return &constExpr{false}
		case "none", "None":
			return &constExpr{nil}
		}
		if p.def != nil {
			p.def.caller = p.def.caller || t.text == "caller"
			p.def.varargs = p.def.varargs || t.text == "varargs"
			p.def.kwargs = p.def.kwargs || t.text == "kwargs"
		}
		return &nameExpr{t.text, t.line}
	case 's':
		var s []byte
		for p.cur().kind == 's' {
			s = append(s, p.next().text...)
		}
		return &constExpr{clean(string(s))}
	case 'i', 'f':
		p.next()
		return &constExpr{p.number(t)}
	case 'o':
		switch t.text {
		case "(":
			p.next()
			e := p.tuple(false, true)
			p.expectOp(")")
			return e
		case "[":
			p.next()
			return &listExpr{items: p.items("]")}
		case "{":
			return p.dict()
		}
	}
	p.fail("unexpected %s", p.what())
	return nil
}

func (p *parser) number(t token) Value {
	if t.kind == 'f' {
		f, _ := strconv.ParseFloat(t.text, 64) // beyond the range: infinite, as in Python
		return f
	}
	if n, err := strconv.ParseInt(t.text, 0, 64); err == nil {
		return n
	}
	if n, ok := new(big.Int).SetString(t.text, 0); ok && len(t.text) <= 4300 {
		return n
	}
	if n, ok := new(big.Int).SetString(t.text, 10); ok && n.Sign() == 0 { // 00
		return int64(0)
	}
	p.fail("bad number %.40q", t.text)
	return nil
}

// items reads expressions with commas between them, and the bracket that ends them.
func (p *parser) items(end string) (items []expr) {
	for !p.skipOp(end) {
		if len(items) > 0 {
			p.expectOp(",")
			if p.skipOp(end) {
				break
			}
		}
		items = append(items, p.expression())
	}
	return items
}

func (p *parser) dict() expr {
	p.expectOp("{")
	d := &dictExpr{}
	for !p.skipOp("}") {
		if len(d.keys) > 0 {
			p.expectOp(",")
			if p.skipOp("}") {
				break
			}
		}
		d.keys = append(d.keys, p.expression())
		p.expectOp(":")
		d.values = append(d.values, p.expression())
	}
	return d
}

// postfix reads attributes, subscripts and calls.
func (p *parser) postfix(e expr) expr {
	for n := 0; ; p.chain(&n) {
		switch line := p.cur().line; {
		case p.skipOp("."):
			if p.cur().kind == 'i' {
				e = &itemExpr{e, &constExpr{p.number(p.next())}, line}
				continue
			}
			e = &attrExpr{e, p.name(), line}
		case p.skipOp("["):
			e = &itemExpr{e, p.subscript(), line}
		case p.isOp("("):
			e = &callExpr{e, p.arguments(), line}
		default:
			return e
		}
	}
}

// subscript reads what stands in brackets behind a value, and the closing one.
func (p *parser) subscript() expr {
	var s sliceExpr
	if !p.isOp(":") {
		e := p.expression()
		if p.isOp(",") {
			t := &listExpr{[]expr{e}, true}
			for p.skipOp(",") {
				t.items = append(t.items, p.expression())
			}
			e = t
		}
		if p.skipOp("]") {
			return e
		}
		s.from = e
	}
	p.expectOp(":")
	if !p.isOps("]", ":") {
		s.to = p.expression()
	}
	if p.skipOp(":") && !p.isOp("]") {
		s.step = p.expression()
	}
	p.expectOp("]")
	return &s
}

func (p *parser) arguments() (a argExprs) {
	p.expectOp("(")
	for first := true; !p.skipOp(")"); first = false {
		if !first {
			p.expectOp(",")
			if p.skipOp(")") {
				return a
			}
		}
		if p.isOps("*", "**") {
			p.fail("arguments with %s are not supported", p.cur().text)
		}
		if p.cur().kind == 'n' && p.toks[p.at+1].kind == 'o' && p.toks[p.at+1].text == "=" {
			name := p.name()
			if slices.Contains(a.names, name) {
				p.fail("the argument %.40q comes twice", name)
			}
			p.next()
			a.names, a.kw = append(a.names, name), append(a.kw, p.expression())
			continue
		}
		if len(a.names) > 0 {
			p.fail("an argument without a name follows one with it")
		}
		a.pos = append(a.pos, p.expression())
	}
	return a
}

// filterOrTest reads |filters, is tests and calls of what they give.
func (p *parser) filterOrTest(e expr) expr {
	for n := 0; ; p.chain(&n) {
		switch line := p.cur().line; {
		case p.isOp("|"):
			e = p.filters(e, false)
		case p.isName("is"):
			e = p.test(e)
		case p.isOp("("):
			e = &callExpr{e, p.arguments(), line}
		default:
			return e
		}
	}
}

// filters reads filters over e; inline, the first has no |.
func (p *parser) filters(e expr, inline bool) expr {
	for n := 0; inline || p.skipOp("|"); p.chain(&n) {
		inline = false
		f := &filterExpr{of: e, line: p.cur().line, name: p.name()}
		if p.isOp("(") {
			f.args = p.arguments()
		}
		e = f
	}
	return e
}

func (p *parser) test(e expr) expr {
	t := &testExpr{of: e, line: p.next().line}
	negated := p.skipName("not")
	t.name = p.name()
	switch c := p.cur(); {
	case p.isOp("("):
		t.args = p.arguments()
	case c.kind == 'n' && !slices.Contains([]string{"else", "or", "and"}, c.text),
		c.kind == 's', c.kind == 'i', c.kind == 'f', p.isOps("[", "{"):
		if c.text == "is" && c.kind == 'n' {
			p.fail("tests cannot follow each other with is")
		}
		t.args.pos = []expr{p.postfix(p.primary())}
	}
	if negated {
		return &unaryExpr{"not", t, t.line}
	}
	return t
}
