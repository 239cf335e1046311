package chat

import (
	"context"
	"strings"
	"time"
)

// Caps is what a template can do, as small conversations show.
type Caps struct {
	System          bool // shows a system message
	Tools           bool // shows tools
	ToolCalls       bool // shows the calls of an answer
	ParallelCalls   bool // several calls in one answer
	ToolResults     bool // shows what a tool gave
	StringContent   bool // content as text
	PartsContent    bool // content as parts
	StringArguments bool // the arguments of a call as JSON text
	ObjectArguments bool // and as an object
	KeepsReasoning  bool // shows the reasoning of an earlier answer
	Thinking        bool // enable_thinking changes the prompt
}

// Needles are texts that no template has of itself.
const (
	needleA = "QzNeedleAzQ"
	needleB = "QzNeedleBzQ"
)

// probe tries the template on small conversations. Only the end of the context is an
// error: what a template refuses it cannot do.
func (t *Template) probe(ctx context.Context) (c Caps, err error) {
	render := func(json string) string {
		vars, bad := Decode([]byte(json))
		if bad != nil {
			panic(bad) // they stand below
		}
		text, bad := t.RenderVars(ctx, vars, time.Unix(0, 0).UTC())
		if bad != nil {
			return ""
		}
		return text.String
	}
	messages := func(m string) string { return `{"add_generation_prompt": true, "messages": [` + m + `]}` }
	user, ask := `{"role": "user", "content": "u"}`, `,{"role": "user", "content": "v"}`
	call := func(args, more string) string {
		return user + `,{"role": "assistant", "content": "", "tool_calls": [{"id": "abcdefgh1", "type": "function", "function": {"name": "f", "arguments": ` + args + `}}` + more + `]}`
	}
	result := `,{"role": "tool", "tool_call_id": "abcdefgh1", "name": "f", "content": "` + needleB + `"},{"role": "assistant", "content": "w"}`
	object, text := `{"a": "`+needleA+`"}`, `"{\"a\": \"`+needleA+`\"}"`

	c.StringContent = strings.Contains(render(messages(`{"role": "user", "content": "`+needleA+`"}`)), needleA)
	parts := render(messages(`{"role": "user", "content": [{"type": "text", "text": "` + needleA + `"}]}`))
	c.PartsContent = strings.Contains(parts, needleA) && !strings.Contains(parts, "'text'") && !strings.Contains(parts, `"text"`)
	c.System = strings.Contains(render(messages(`{"role": "system", "content": "`+needleA+`"},`+user)), needleA)
	c.Tools = strings.Contains(render(`{"tools": [{"type": "function", "function": {"name": "`+needleA+`", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "string", "description": "e"}}, "required": ["a"]}}}], `+messages(user)[1:]), needleA)

	// A text that was made JSON twice has its quotes escaped: not what was meant.
	with := render(messages(call(object, "") + result + ask))
	c.ObjectArguments = strings.Contains(with, needleA) && !strings.Contains(with, `{'a'`)
	as := render(messages(call(text, "") + result + ask))
	c.StringArguments = strings.Contains(as, needleA) && !strings.Contains(as, `{\"a\"`)
	c.ToolCalls = c.ObjectArguments || c.StringArguments
	c.ToolResults = strings.Contains(with, needleB) || strings.Contains(as, needleB)
	args, other := object, `{"b": "`+needleB+`"}`
	if !c.ObjectArguments {
		args, other = text, `"{\"b\": \"`+needleB+`\"}"`
	}
	c.ParallelCalls = contains(render(messages(call(args, `,{"id": "abcdefgh2", "type": "function", "function": {"name": "g", "arguments": `+other+`}}`))), needleA, needleB)
	c.KeepsReasoning = strings.Contains(render(messages(user+`,{"role": "assistant", "content": "a", "reasoning_content": "`+needleA+`", "thinking": "`+needleA+`"}`+ask)), needleA)
	c.Thinking = render(`{"enable_thinking": true, `+messages(user)[1:]) != render(`{"enable_thinking": false, `+messages(user)[1:])
	if err := ctx.Err(); err != nil {
		return c, err
	}
	return c, nil
}

// Row is a capability by its name.
type Row struct {
	Name string
	Yes  bool
}

// Rows are the capabilities in the order of Caps.
func (c Caps) Rows() []Row {
	return []Row{
		{"system messages", c.System}, {"tools", c.Tools}, {"tool calls", c.ToolCalls}, {"parallel calls", c.ParallelCalls},
		{"tool results", c.ToolResults}, {"content as text", c.StringContent}, {"content as parts", c.PartsContent},
		{"arguments as text", c.StringArguments}, {"arguments as an object", c.ObjectArguments},
		{"earlier reasoning kept", c.KeepsReasoning}, {"enable_thinking", c.Thinking},
	}
}
