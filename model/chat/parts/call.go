package parts

import (
	"encoding/json"

	"eclat/model/tokenizer"
)

// call is one that is being read.
type call struct {
	message
	json    checker
	told    bool   // its name has been told
	fields  bool   // it is an object with the name and the arguments as fields
	field   string // whose value is being read; "" for none
	value   []byte // of the field name or of a key, as JSON
	args    []byte // not told yet
	hasArgs bool
	strict  bool // no field but those of a call may be there
}

// begin begins a call.
func (p *Parser) begin(m mode, announced message) {
	p.mode = m
	p.call = call{
		message: announced, fields: m == inObject, strict: len(p.raw) == 0,
		json: checker{stack: p.call.json.stack[:0]}, value: p.call.value[:0], args: p.call.args[:0],
	}
}

// feedHeader takes bytes of a header, up to its end; it returns what is left.
func (p *Parser) feedHeader(b []byte) []byte {
	for i, c := range b {
		head := append(p.head, c)
		for _, marker := range p.spelt {
			if r := p.rule(inHeader, marker); r != nil && len(head) >= len(marker) && string(head[len(head)-len(marker):]) == marker {
				n := len(marker) - 1
				p.head, p.raw = p.head[:len(p.head)-n], p.raw[:len(p.raw)-n]
				p.marker(marker)
				return b[i+1:]
			}
		}
		if _, ok := p.f.header(string(head[:len(head)-p.begun(head)]), false); !ok {
			p.giveBack()
			return b[i:]
		}
		p.head, p.raw = head, append(p.raw, c)
	}
	return nil
}

// begun is how many bytes at the end of a header may be the beginning of a spelt marker.
func (p *Parser) begun(head []byte) (most int) {
	for _, marker := range p.spelt {
		if p.rule(inHeader, marker) == nil {
			continue
		}
		for n := min(len(head), len(marker)-1); n > most; n-- {
			if string(head[len(head)-n:]) == marker[:n] {
				most = n
			}
		}
	}
	return most
}

// feedCall takes bytes of a call, up to its end; it returns what is left.
func (p *Parser) feedCall(b []byte) []byte {
	c := &p.call
	for i, x := range b {
		if !c.step(x) {
			p.giveBack()
			return b[i:]
		}
		p.raw = append(p.raw, x)
		if !c.json.done() {
			continue
		}
		if c.name == "" || !c.hasArgs {
			p.giveBack()
			return b[i+1:]
		}
		p.argue(true)
		p.out = append(p.out, Delta{Kind: CallEnd, Index: p.calls})
		p.calls++
		p.mode, p.after, p.lead, p.bare = inAnswer, true, true, p.isBare()
		p.raw, p.head = p.raw[:0], p.head[:0]
		return b[i+1:]
	}
	return nil
}

// argue tells the arguments that have come, and before the first of them the call.
func (p *Parser) argue(end bool) {
	c := &p.call
	if p.mode != inArguments && p.mode != inObject || c.name == "" || !c.hasArgs {
		return
	}
	if !c.told {
		c.told = true
		p.out = append(p.out, Delta{Kind: Call, Index: p.calls, Name: c.name, ID: c.id})
	}
	text, left := tokenizer.Characters(c.args, end)
	if text != "" {
		p.out = append(p.out, Delta{Kind: Arguments, Index: p.calls, Text: text})
	}
	c.args = append(c.args[:0], left...)
}

// step takes a byte and reports whether it may still be a call. With fields it is
//
//	{"name": NAME, "arguments": OBJECT}       or parameters in place of arguments
//
// in any order, and fields that say nothing of it beside them; else the object alone.
func (c *call) step(x byte) bool {
	j := &c.json
	depth, was := len(j.stack), j.state
	begins, inside := was == atValue && !isSpace(x), j.inString()
	if depth == 0 && begins && x != '{' || !j.step(x) {
		return false
	}
	if !c.fields {
		if depth > 0 || begins {
			c.args, c.hasArgs = append(c.args, x), true
		}
		return true
	}
	switch {
	case depth == 1 && (was == atKey || was == atKeyOrEnd) && x == '"': // a key begins
		c.value = append(c.value[:0], x)
	case depth == 1 && j.isKey:
		c.value = append(c.value, x)
	case depth == 1 && inside && j.state == atColon: // and ends
		c.value = append(c.value, x)
		return c.allows()
	case depth == 1 && begins && c.field == "name":
		c.value = append(c.value[:0], x)
		return x == '"'
	case depth == 1 && begins && c.field == "arguments":
		c.args, c.hasArgs = append(c.args, x), true
		return x == '{'
	case inside && c.field == "name":
		if c.value = append(c.value, x); j.state == atNext {
			c.field = ""
			return json.Unmarshal(c.value, &c.name) == nil && c.name != "" && isName(c.name)
		}
	case depth > 1 && c.field == "arguments":
		if c.args = append(c.args, x); len(j.stack) == 1 {
			c.field = ""
		}
	}
	return true
}

// allows takes the key of a field, and reports whether a call may have it.
func (c *call) allows() bool {
	var key string
	if json.Unmarshal(c.value, &key) != nil {
		return false
	}
	switch key {
	case "name":
		c.field = key
		return c.name == ""
	case "arguments", "parameters":
		c.field = "arguments"
		return !c.hasArgs
	case "id", "type":
		return true
	}
	return !c.strict
}
