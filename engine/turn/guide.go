package turn

import (
	"fmt"
	"slices"

	"eclat/model/chat/parts"
	"eclat/model/grammar"
)

// guide says which tokens of an answer may come next. The scheduler's goroutine has it.
type guide struct {
	m       *Model
	reader  *reader
	forced  []int32 // tokens that come next, whatever else
	script  []piece // what the answer is held to, from behind the reasoning; empty: nothing
	at      int     // the piece that goes on
	matcher *grammar.Matcher
	text    []byte // of the last piece with a grammar: the name of a tool
	begun   bool   // something of the script has come
	atOnce  bool   // the script begins the answer, whatever the parser takes that for

	budget  int     // tokens of reasoning that are left; −1 for no limit
	thought bool    // reasoning has come
	openers []int32 // tokens that begin reasoning
	callers []int32 // tokens that begin a call, which may stand in the place of the script
	calls   []piece // what a call is held to that the model makes of itself; empty: nothing
	within  bool    // such a call is the script
	bits    []uint64
}

// piece is a stretch of an answer: tokens that come one after the other, or a text that
// keeps to a grammar.
type piece struct {
	ids   []int32
	masks func(before []byte) *grammar.Masks // by the text of the last such piece; nil: ids
}

// guide makes the guide of a request.
func (m *Model) guide(r *Request) (*guide, error) {
	g := &guide{m: m, budget: -1}
	var err error
	if g.reader, err = m.newReader(r); err != nil {
		return nil, err
	}
	size := m.Engine.Model.Config.NVocab
	g.bits = make([]uint64, (size+63)/64)
	g.openers = m.ids(m.Format.Markers(parts.Reasoning))
	if r.Tools && r.Call == nil {
		g.callers = m.ids(m.Format.Markers(parts.Call))
	}
	if len(r.Strict) > 0 {
		if len(g.callers) == 0 {
			return nil, ErrStrict
		}
		if g.calls, err = m.call(&Call{r.Strict}); err != nil {
			return nil, err
		}
	}
	switch {
	case r.Reasoning == 0:
	case r.Reasoning == NoReasoning:
		if m.Format.Close() != "" {
			g.budget = 0
		}
	case r.Reasoning < 0:
		return nil, fmt.Errorf("a limit of reasoning of %d tokens", r.Reasoning)
	case m.Format.Close() == "":
		return nil, ErrReasoning
	default:
		g.budget = r.Reasoning
	}
	if g.budget == 0 && !r.Opened && r.Call == nil {
		g.forced = m.spelt(m.Format.Direct())
	}
	switch {
	case r.Call != nil:
		g.atOnce = m.Format.Direct() != "" // the header that a call begins with is no answer
		g.script, err = m.call(r.Call)
	case r.Grammar != nil:
		g.script = []piece{{masks: func([]byte) *grammar.Masks { return r.Grammar }}}
	}
	return g, err
}

// ids are the markers that are tokens.
func (m *Model) ids(markers []string) (ids []int32) {
	for _, s := range markers {
		if id, ok := m.Engine.Tokenizer.ID(s); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// spelt is a text of the format's as tokens.
func (m *Model) spelt(text string) []int32 {
	if text == "" {
		return nil
	}
	return m.Engine.Tokenizer.Encode(nil, text, true)
}

// call is the script of a call of one of some tools.
func (m *Model) call(c *Call) ([]piece, error) {
	form := m.Format.Call()
	if form.Before == "" {
		return nil, ErrCall
	}
	if len(c.Tools) == 0 {
		return nil, fmt.Errorf("%w: there is no tool", ErrCall)
	}
	arguments := func(name []byte) *grammar.Masks {
		for _, t := range c.Tools {
			if t.Name == string(name) {
				return t.Arguments
			}
		}
		return c.Tools[0].Arguments // the only one: its name was no choice
	}
	var script []piece
	if len(c.Tools) == 1 {
		script = []piece{{ids: m.spelt(form.Before + c.Tools[0].Name + form.Between)}}
	} else {
		names, err := m.names(c.Tools)
		if err != nil {
			return nil, err
		}
		script = []piece{{ids: m.spelt(form.Before)}, {masks: func([]byte) *grammar.Masks { return names }}, {ids: m.spelt(form.Between)}}
	}
	script = append(script, piece{masks: arguments})
	if form.After != "" {
		script = append(script, piece{ids: m.spelt(form.After)})
	}
	return script, nil
}

// names are the tools' names as a grammar.
func (m *Model) names(tools []Tool) (*grammar.Masks, error) {
	rule := "root ::="
	for i, t := range tools {
		if i > 0 {
			rule += " |"
		}
		rule += fmt.Sprintf(" %q", t.Name)
	}
	g, err := grammar.FromGBNF(rule)
	if err != nil {
		return nil, fmt.Errorf("the tools' names: %w", err)
	}
	return m.Masks(g)
}

// guides reports whether there is anything to be held to.
func (g *guide) guides() bool {
	return len(g.script) > 0 || len(g.calls) > 0 || len(g.forced) > 0 || g.budget >= 0
}

// holds reports whether the script says what comes next.
func (g *guide) holds() bool {
	return len(g.script) > 0 && (g.begun || g.atOnce || g.reader.parser.In(parts.Answer))
}

// allow returns the tokens that may come next, nil for all; see engine.Request.Allow.
func (g *guide) allow() ([]uint64, error) {
	thinks := g.reader.parser.In(parts.Reasoning)
	if thinks && g.budget == 0 && len(g.forced) == 0 {
		g.forced = g.m.spelt(g.m.Format.Close())
	}
	switch {
	case len(g.forced) > 0:
		clear(g.bits)
		g.set(g.forced[:1], true)
	case thinks && !g.begun:
		return nil, nil
	case g.holds():
		return g.bits, g.expect()
	case g.budget == 0 && len(g.openers) > 0:
		for i := range g.bits {
			g.bits[i] = ^uint64(0)
		}
		g.set(g.openers, false)
	default:
		return nil, nil
	}
	return g.bits, nil
}

// set allows some tokens, or does not.
func (g *guide) set(ids []int32, allowed bool) {
	for _, id := range ids {
		if allowed {
			g.bits[id/64] |= 1 << (id % 64)
		} else {
			g.bits[id/64] &^= 1 << (id % 64)
		}
	}
}

// expect writes to bits what the script allows.
func (g *guide) expect() error {
	clear(g.bits)
	switch {
	case g.at == len(g.script):
		g.set(g.m.ends, true)
	case g.script[g.at].masks == nil:
		g.set(g.script[g.at].ids[:1], true)
	default:
		if g.matcher == nil {
			g.matcher = g.script[g.at].masks(g.text).Matcher(0)
			g.text = g.text[:0]
		}
		if err := g.matcher.Mask(g.bits); err != nil {
			return err
		}
		if g.at+1 < len(g.script) && g.matcher.Final() { // what follows, in the place of an end
			g.set(g.m.ends, false)
			g.set(g.script[g.at+1].ids[:1], true)
		}
	}
	if !g.begun {
		if !g.thought && g.budget != 0 {
			g.set(g.openers, true)
		}
		g.set(g.callers, true)
	}
	return nil
}

// chosen takes the token that came, and reports whether a stop string ends the answer;
// see engine.Request.Until.
func (g *guide) chosen(id int32) (end bool) {
	p := g.reader.parser
	switch {
	case len(g.forced) > 0:
		g.forced = g.forced[1:]
	case p.In(parts.Reasoning) && !g.begun:
	case g.holds():
		g.advance(id)
	}
	if p.In(parts.Reasoning) {
		g.budget = max(g.budget-1, min(g.budget, 0))
		g.thought = true
	}
	g.reader.next(id)
	if len(g.calls) > 0 && !g.begun && slices.Contains(g.callers, id) && p.In(parts.Call) {
		g.call(id)
	}
	return g.reader.found != ""
}

// call makes the rest of a call the script, from behind the token that began it.
func (g *guide) call(id int32) {
	before := g.calls[0].ids
	g.script, g.at, g.matcher, g.text = g.calls, 1, nil, g.text[:0]
	g.forced = before[slices.Index(before, id)+1:]
	g.begun, g.within = true, true
}

// called ends the script of a call: the answer goes on as it likes.
func (g *guide) called() {
	if g.within {
		g.script, g.matcher, g.begun, g.within = nil, nil, false, false
	}
}

// advance moves the script by a token that it allows.
func (g *guide) advance(id int32) {
	if !g.begun {
		if slices.Contains(g.callers, id) {
			g.script = nil
			return
		}
		if slices.Contains(g.openers, id) {
			return
		}
	}
	g.begun = true
	if g.at == len(g.script) {
		return
	}
	p := &g.script[g.at]
	if p.masks != nil {
		if g.matcher.Accept(id) == nil {
			g.text = g.m.Engine.Tokenizer.Append(g.text, id, false)
			if g.at+1 == len(g.script) && g.matcher.Final() {
				g.called()
			}
			return
		}
		g.matcher = nil
		g.at++
		p = &g.script[g.at] // tokens: a grammar is never followed by another
	}
	g.forced = p.ids[1:]
	if g.at++; g.at == len(g.script) {
		g.called()
	}
}
