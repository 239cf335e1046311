package jinja

import (
	"fmt"
	"slices"
)

// Template is a parsed template.
type Template struct {
	body   []stmt
	limits Limits
}

// Parse reads a template. Errors are *Error and name the line.
func Parse(source string, limits Limits) (t *Template, err error) {
	defer caught(&err)
	limits = limits.orDefault()
	if len(source) > limits.Source {
		return nil, &Error{Msg: fmt.Sprintf("%d bytes long, more than %d", len(source), limits.Source), Err: ErrLimit}
	}
	p := &parser{toks: lex(source), limit: limits.Depth}
	body := p.body(nil)
	return &Template{body, limits}, nil
}

// parser reads tokens into nodes.
type parser struct {
	toks  []token
	at    int
	limit int // of depth
	depth int // brackets and blocks within each other
	loops int // for loops around, within the macro
	def   *macroDef
}

func (p *parser) cur() token { return p.toks[p.at] }

func (p *parser) next() token {
	t := p.toks[p.at]
	if t.kind != 0 {
		p.at++
	}
	return t
}

func (p *parser) fail(format string, a ...any) {
	panic(&Error{Line: p.cur().line, Msg: fmt.Sprintf(format, a...)})
}

// enter counts a bracket or a block; leave ends it.
func (p *parser) enter() {
	if p.depth++; p.depth > p.limit {
		panic(&Error{Line: p.cur().line, Msg: fmt.Sprintf("brackets or blocks are nested more than %d deep", p.limit), Err: ErrLimit})
	}
}

func (p *parser) leave() { p.depth-- }

// chain counts the links of a chain such as a + b + c, which is nested to the left.
func (p *parser) chain(n *int) {
	if *n++; *n > 5*p.limit {
		panic(&Error{Line: p.cur().line, Msg: fmt.Sprintf("an expression is a chain of more than %d operators", 5*p.limit), Err: ErrLimit})
	}
}

// what describes the token at hand for an error.
func (p *parser) what() string {
	switch t := p.cur(); t.kind {
	case 0:
		return "the end of the template"
	case '!':
		return "the end of the tag"
	case '}':
		return "the end of the output"
	case 's':
		return fmt.Sprintf("the string %.40q", t.text)
	default:
		return fmt.Sprintf("%.40q", t.text)
	}
}

func (p *parser) isOp(op string) bool  { t := p.cur(); return t.kind == 'o' && t.text == op }
func (p *parser) isName(n string) bool { t := p.cur(); return t.kind == 'n' && t.text == n }
func (p *parser) isOps(ops ...string) bool {
	t := p.cur()
	return t.kind == 'o' && slices.Contains(ops, t.text)
}

func (p *parser) skipOp(op string) bool {
	ok := p.isOp(op)
	if ok {
		p.next()
	}
	return ok
}

func (p *parser) skipName(n string) bool {
	ok := p.isName(n)
	if ok {
		p.next()
	}
	return ok
}

func (p *parser) expectOp(op string) {
	if !p.skipOp(op) {
		p.fail("expected %q, found %s", op, p.what())
	}
}

func (p *parser) name() string {
	if p.cur().kind != 'n' {
		p.fail("expected a name, found %s", p.what())
	}
	return p.next().text
}

func (p *parser) blockEnd() {
	if p.cur().kind != '!' {
		p.fail("expected the end of the tag, found %s", p.what())
	}
	p.next()
}

// body reads statements to a tag with one of the names, of which the name is next.
func (p *parser) body(until []string) []stmt {
	p.enter()
	defer p.leave()
	var out []stmt
	for {
		switch t := p.next(); t.kind {
		case 0:
			if until != nil {
				p.fail("the template ends where %s is missing", until[len(until)-1])
			}
			return out
		case 'd':
			out = append(out, &textStmt{t.text})
		case '{':
			out = append(out, &outputStmt{p.tuple(false, false), t.line})
			if p.cur().kind != '}' {
				p.fail("expected the end of the output, found %s", p.what())
			}
			p.next()
		case '%':
			if p.cur().kind == 'n' && slices.Contains(until, p.cur().text) {
				return out
			}
			out = append(out, p.statement())
		}
	}
}

// block reads a body from the end of its tag to the tag name, that too.
func (p *parser) block(end string) []stmt {
	p.blockEnd()
	b := p.body([]string{end})
	p.next()
	if end == "endmacro" && p.cur().kind == 'n' { // endmacro NAME
		p.next()
	}
	p.blockEnd()
	return b
}

func (p *parser) statement() stmt {
	line := p.cur().line
	switch name := p.name(); name {
	case "if":
		return p.ifTag()
	case "for":
		return p.forTag(line)
	case "set":
		return p.setTag(line)
	case "macro":
		def := &macroDef{name: p.name()}
		p.signature(def)
		p.macroBody(def, "endmacro")
		return &macroStmt{def.name, def}
	case "call":
		def := &macroDef{name: "caller"}
		if p.isOp("(") {
			p.signature(def)
		}
		call, ok := p.expression().(*callExpr)
		if !ok {
			p.fail("call needs a call")
		}
		p.macroBody(def, "endcall")
		return &callStmt{def, call}
	case "filter":
		f := p.filters(&blockText{}, true)
		return &filterStmt{f, p.block("endfilter")}
	case "with":
		return p.withTag(line)
	case "generation":
		return &withStmt{body: p.block("endgeneration")}
	case "break", "continue":
		if p.loops == 0 {
			p.fail("%s outside a loop", name)
		}
		p.blockEnd()
		if name == "break" {
			return &jumpStmt{breaks}
		}
		return &jumpStmt{continues}
	case "include", "import", "from", "extends", "block":
		p.fail("%s is not allowed in a chat template", name)
	default:
		p.fail("unknown tag %.40q", name)
	}
	return nil
}

func (p *parser) ifTag() stmt {
	n := &ifStmt{}
	for {
		n.conds = append(n.conds, p.tuple(true, false))
		p.blockEnd()
		n.bodies = append(n.bodies, p.body([]string{"elif", "else", "endif"}))
		switch p.name() {
		case "elif":
			continue
		case "else":
			n.other = p.block("endif")
		default:
			p.blockEnd()
		}
		return n
	}
}

func (p *parser) forTag(line int) stmt {
	n := &forStmt{line: line, target: p.target(true, false)}
	if !p.skipName("in") {
		p.fail("expected in, found %s", p.what())
	}
	n.iter = p.tuple(true, false)
	if p.skipName("if") {
		n.cond = p.expression()
	}
	n.recursive = p.skipName("recursive")
	p.blockEnd()
	p.loops++
	n.body = p.body([]string{"else", "endfor"})
	p.loops--
	if p.name() == "else" {
		n.other = p.block("endfor")
	} else {
		p.blockEnd()
	}
	return n
}

func (p *parser) setTag(line int) stmt {
	target := p.target(true, true)
	if p.skipOp("=") {
		n := &setStmt{target, p.tuple(false, false), line}
		p.blockEnd()
		return n
	}
	var f expr
	if p.isOp("|") {
		f = p.filters(&blockText{}, false)
	}
	return &setBlockStmt{target, f, p.block("endset"), line}
}

func (p *parser) withTag(line int) stmt {
	n := &withStmt{line: line}
	for p.cur().kind != '!' {
		if len(n.targets) > 0 && !p.skipOp(",") {
			p.fail("expected a comma, found %s", p.what())
		}
		n.targets = append(n.targets, p.target(false, false))
		p.expectOp("=")
		n.values = append(n.values, p.expression())
	}
	n.body = p.block("endwith")
	return n
}

// signature reads a macro's parameters in parentheses.
func (p *parser) signature(def *macroDef) {
	p.expectOp("(")
	for !p.skipOp(")") {
		if len(def.params) > 0 {
			p.expectOp(",")
		}
		def.params = append(def.params, p.name())
		if p.skipOp("=") {
			def.defaults = append(def.defaults, p.expression())
		} else if len(def.defaults) > 0 {
			p.fail("a parameter without a default follows one with it")
		}
	}
}

// macroBody reads the body, and what of its special names it uses.
func (p *parser) macroBody(def *macroDef, end string) {
	outer, loops := p.def, p.loops
	p.def, p.loops = def, 0
	def.body = p.block(end)
	p.def, p.loops = outer, loops
}

// target reads what may stand on the left of an assignment.
func (p *parser) target(tuple, attr bool) expr {
	p.enter()
	defer p.leave()
	one := func() expr {
		if p.skipOp("(") {
			t := p.target(true, attr)
			p.expectOp(")")
			return t
		}
		line := p.cur().line
		name := p.name()
		if attr && p.skipOp(".") {
			return &nsTarget{name, p.name(), line}
		}
		if slices.Contains([]string{"true", "false", "none", "True", "False", "None", "not"}, name) {
			p.fail("cannot assign to %s", name)
		}
		return &nameExpr{name, line}
	}
	first := one()
	if !tuple || !p.isOp(",") {
		return first
	}
	t := &listExpr{items: []expr{first}, tuple: true}
	for p.skipOp(",") {
		if p.cur().kind != 'n' && !p.isOp("(") || p.isName("in") {
			break
		}
		t.items = append(t.items, one())
	}
	return t
}
