package parts

import (
	"slices"
	"strings"

	"eclat/model/chat/stop"
	"eclat/model/tokenizer"
)

// Vocabulary is what a tokenizer tells of its tokens.
type Vocabulary interface {
	ID(text string) (id int32, ok bool)               // the token that has this text
	Append(dst []byte, id int32, special bool) []byte // the bytes that a token stands for; of control tokens only where special
}

// Options say how an answer begins.
type Options struct {
	Tools     bool // tools were offered: without, nothing is taken for a call
	Reasoning bool // the prompt has opened the reasoning, see Format.Opened
}

// Parser takes one answer apart.
type Parser struct {
	f       *Format
	v       Vocabulary
	options Options
	rules   []rule
	tokens  map[int32]string // markers that are tokens
	spelt   []string         // the others
	texts   [2]*stop.Matcher // looks for those in the answer, and in reasoning
	find    [2][]string      // what each looks for

	mode  mode
	lead  bool   // white space that comes is left out
	after bool   // nothing but white space has come since a call
	bare  bool   // what comes next may be a call without a marker
	tail  string // line breaks at the end of the reasoning so far
	head  []byte // of a header
	raw   []byte // of a header and a call: all that came, to give back
	call  call
	calls int // so far
	buf   []byte
	out   []Delta
}

// New returns a parser of one answer.
func New(f *Format, v Vocabulary, o Options) *Parser {
	p := &Parser{f: f, v: v, options: o, tokens: map[int32]string{}, mode: f.start}
	for _, r := range f.rules {
		if r.calls && !o.Tools {
			continue
		}
		p.rules = append(p.rules, r)
		if id, ok := v.ID(r.marker); ok {
			p.tokens[id] = r.marker
		} else if !slices.Contains(p.spelt, r.marker) {
			p.spelt = append(p.spelt, r.marker)
		}
	}
	for m := range p.texts {
		for _, marker := range p.spelt {
			if p.rule(mode(m), marker) != nil {
				p.find[m] = append(p.find[m], marker)
			}
		}
		p.texts[m], _ = stop.New(p.find[m]...) // our own tables: few and short
	}
	p.bare = p.isBare()
	if p.mode == inHeader {
		p.head = append(p.head, "assistant"...) // the prompt's
	}
	if o.Reasoning {
		p.enter(inReasoning)
	}
	return p
}

func (p *Parser) isBare() bool { return p.f.bare && p.options.Tools }

// rule returns what a marker means in a mode, nil for nothing.
func (p *Parser) rule(in mode, marker string) *rule {
	for i := range p.rules {
		if r := &p.rules[i]; r.in == in && r.marker == marker {
			return r
		}
	}
	return nil
}

// In reports whether what comes next is of a kind as far as the tokens have said:
// Answer, Reasoning, or Call for all that is part of one, a header that may announce one
// too.
func (p *Parser) In(k Kind) bool {
	switch p.mode {
	case inAnswer:
		return k == Answer
	case inReasoning:
		return k == Reasoning
	}
	return k == Call
}

// Next takes the tokens that the answer goes on with and returns what is certain by
// now; it is valid until the next call.
func (p *Parser) Next(ids ...int32) []Delta {
	p.out = p.out[:0]
	for _, id := range ids {
		if marker, ok := p.tokens[id]; ok {
			p.settle()
			p.marker(marker)
			continue
		}
		p.buf = p.v.Append(p.buf[:0], id, false)
		p.feed(p.buf)
	}
	p.argue(false)
	return p.out
}

// End returns what was held back, at the end of the answer. The parser is done with.
func (p *Parser) End() []Delta {
	p.out = p.out[:0]
	p.settle()
	switch {
	case p.mode == inHeader:
		if m, _ := p.f.header(string(p.head), false); m.to >= inHeader || !strings.Contains(string(p.raw), "<|") {
			p.giveBack()
		} // else a message was to come, and did not
	case p.mode > inHeader:
		p.giveBack()
	}
	p.emit(Reasoning, p.tail)
	p.tail = ""
	return p.out
}

// feed takes bytes that are no token of a marker.
func (p *Parser) feed(b []byte) {
	for len(b) > 0 {
		switch p.mode {
		case inAnswer, inReasoning:
			if p.bare && p.mode == inAnswer {
				for len(b) > 0 && (isSpace(b[0]) || p.after && b[0] == ';') {
					b = b[1:]
				}
				if len(b) == 0 {
					return
				}
				if p.bare = false; b[0] == '{' {
					p.begin(inObject, message{})
					continue
				}
			}
			text, which, rest := p.texts[p.mode].Next(b)
			p.text(text)
			if b = rest; which >= 0 {
				p.marker(p.find[p.mode][which])
			}
		case inHeader:
			b = p.feedHeader(b)
		default:
			b = p.feedCall(b)
		}
	}
}

// settle ends what a text may still become: a marker by its token comes next, or nothing.
func (p *Parser) settle() {
	switch p.mode {
	case inAnswer, inReasoning:
		p.text(p.texts[p.mode].Flush())
	case inHeader:
		if _, ok := p.f.header(string(p.head), false); !ok {
			p.giveBack()
		}
	}
}

// text takes text of the answer or of reasoning.
func (p *Parser) text(text string) {
	if p.mode == inAnswer {
		if p.lead {
			text = strings.TrimLeft(text, " \t\r\n")
		}
		if strings.Trim(text, " \t\r\n") != "" {
			p.after = false
		}
		if text != "" {
			p.lead, p.bare = false, false
			p.emit(Answer, text)
		}
		return
	}
	if p.lead {
		text = strings.TrimLeft(text, "\r\n")
	}
	if text == "" {
		return
	}
	p.lead = false
	if p.f.trim {
		text = p.tail + text
		all := text
		text = strings.TrimRight(all, "\r\n")
		p.tail = all[len(text):]
	}
	p.emit(Reasoning, text)
}

// emit tells text, with what was told just before where that is of the same kind.
func (p *Parser) emit(k Kind, text string) {
	if text == "" {
		return
	}
	if n := len(p.out); n > 0 && p.out[n-1].Kind == k && (k == Answer || k == Reasoning) {
		p.out[n-1].Text += text
		return
	}
	p.out = append(p.out, Delta{Kind: k, Text: text})
}

// marker takes a marker, found by its token or in the text.
func (p *Parser) marker(m string) {
	r := p.rule(p.mode, m)
	if r == nil && p.mode >= inHeader && !(p.mode != inHeader && p.call.json.inString()) {
		p.giveBack() // it ends what cannot go on with it
		r = p.rule(p.mode, m)
	}
	if r == nil || r.after && !p.after {
		p.asText(m)
		return
	}
	switch {
	case r.to == byHeader:
		announced, ok := p.f.header(string(p.head), true)
		if ok && announced.to == inArguments && !p.options.Tools {
			announced.to = inAnswer
		}
		if p.raw = append(p.raw, m...); !ok {
			p.giveBack()
			return
		}
		if announced.to == inArguments {
			p.begin(inArguments, announced)
			return
		}
		p.enter(announced.to)
	case r.in == inHeader:
		p.head, p.raw = append(p.head, m...), append(p.raw, m...)
	default:
		if p.mode >= inHeader { // it ends a call too early
			if r.to == inAnswer {
				p.raw = append(p.raw, m...)
				p.giveBack()
				return
			}
			p.giveBack()
		}
		p.raw = append(p.raw[:0], m...)
		switch r.to {
		case inHeader:
			p.leave()
			p.mode, p.head = inHeader, append(p.head[:0], r.head...)
		case inObject:
			p.leave()
			p.begin(inObject, message{})
		default:
			p.enter(r.to)
			p.after = p.after && !r.after
		}
	}
}

// asText takes a marker that means nothing where it stands.
func (p *Parser) asText(m string) {
	switch p.mode {
	case inAnswer, inReasoning:
		p.text(m)
	default:
		p.feed([]byte(m))
	}
}

// leave ends the mode that the text was in.
func (p *Parser) leave() {
	p.tail, p.lead = "", false
}

// enter begins the answer or reasoning, after a marker.
func (p *Parser) enter(m mode) {
	was := p.mode
	p.leave()
	p.raw, p.head = p.raw[:0], p.head[:0]
	p.mode = m
	if m == inAnswer {
		p.lead = was == inReasoning && p.f.trim || p.after
		p.bare = p.isBare()
		return
	}
	p.lead, p.after = p.f.trim, false
}

// giveBack makes a header or a call that is none text of the answer again.
func (p *Parser) giveBack() {
	text, _ := tokenizer.Characters(p.raw, true)
	told := p.call.told && p.mode != inHeader
	p.mode, p.lead, p.after, p.bare = inAnswer, false, false, false
	p.raw, p.head = p.raw[:0], p.head[:0]
	if told {
		p.out = append(p.out, Delta{Kind: Revoked, Index: p.calls, Text: text})
		p.calls++
		return
	}
	p.emit(Answer, text)
}
