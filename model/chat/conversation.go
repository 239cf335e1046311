package chat

import (
	"fmt"
	"slices"

	"eclat/model/chat/jinja"
)

// Bounds of a conversation.
const (
	maxMessages = 100_000
	maxTools    = 4096
)

// Conversation is what a template is given.
type Conversation struct {
	Messages         []Message
	Tools            []jinja.Value // tool definitions: dictionaries, tainted
	GenerationPrompt bool          // end with the beginning of an answer
	Vars             *jinja.Dict   // other variables, such as enable_thinking; nil: none
}

// Message is a turn of a conversation.
type Message struct {
	Role       string
	Text       *string // the content as text; nil: none
	Parts      []Part  // the content as parts, instead of Text
	Reasoning  string  // what the model thought before its answer; "": nothing
	ToolCalls  []ToolCall
	ToolCallID string // of a tool's result
	Name       string // of a tool's result, or of who speaks
}

// Part is a piece of content.
type Part struct {
	Type  string // text, or one whose other keys are in Other
	Text  string
	Other *jinja.Dict // the part whole, instead of Type and Text; nil: none
}

// ToolCall is a tool that the model called.
type ToolCall struct {
	ID, Name  string
	Arguments jinja.Value // a *jinja.Dict, or the JSON text as a jinja.Str; tainted
}

// roles are the roles a message may have. They come out untainted, since templates
// build control tokens of them.
var roles = []string{"system", "developer", "user", "assistant", "tool", "ipython", "function"}

// untaintRoles makes the roles of messages in a decoded conversation template text,
// where they are of the known ones.
func untaintRoles(vars *jinja.Dict) {
	v, _ := vars.Get("messages")
	l, ok := v.(*jinja.List)
	if !ok {
		return
	}
	for _, m := range l.Items() {
		d, ok := m.(*jinja.Dict)
		if !ok {
			continue
		}
		if r, ok := d.Get("role"); ok {
			if s, ok := r.(jinja.Str); ok && slices.Contains(roles, s.String()) {
				d.Set("role", jinja.String(s.String(), false))
			}
		}
	}
}

// Decode reads the variables of a template from one JSON object as they are: messages,
// tools, add_generation_prompt and any others. Strings are tainted, but for known
// roles. The order of keys is kept.
func Decode(data []byte) (*jinja.Dict, error) {
	v, err := jinja.Decode(data, true)
	if err != nil {
		return nil, fmt.Errorf("conversation: %w", err)
	}
	vars, ok := v.(*jinja.Dict)
	if !ok {
		return nil, fmt.Errorf("conversation: it is no JSON object")
	}
	if m, ok := vars.Get("messages"); ok {
		if _, ok := m.(*jinja.List); !ok {
			return nil, fmt.Errorf("conversation: messages is no array")
		}
	}
	untaintRoles(vars)
	return vars, nil
}

// Variables lays a conversation out for a template of these capabilities: content as
// text where parts are not understood, the arguments of calls as object or text.
func (c *Conversation) Variables(caps Caps) (*jinja.Dict, error) {
	if len(c.Messages) > maxMessages || len(c.Tools) > maxTools {
		return nil, fmt.Errorf("conversation: %d messages and %d tools; at most %d and %d", len(c.Messages), len(c.Tools), maxMessages, maxTools)
	}
	messages := jinja.NewList()
	for i, m := range c.Messages {
		if !slices.Contains(roles, m.Role) {
			return nil, fmt.Errorf("conversation: message %d has the unknown role %.40q", i, m.Role)
		}
		d, err := m.variables(caps)
		if err != nil {
			return nil, fmt.Errorf("conversation: message %d: %w", i, err)
		}
		messages.Append(d)
	}
	vars := jinja.NewDict()
	if c.Vars != nil {
		for _, k := range c.Vars.Keys() {
			v, _ := c.Vars.Get(k)
			vars.Set(k, v)
		}
	}
	vars.Set("messages", messages)
	if len(c.Tools) > 0 {
		vars.Set("tools", jinja.NewList(c.Tools...))
	}
	vars.Set("add_generation_prompt", c.GenerationPrompt)
	return vars, nil
}

func tainted(s string) jinja.Str { return jinja.String(s, true) }

func (m *Message) variables(caps Caps) (*jinja.Dict, error) {
	d := jinja.NewDict()
	d.Set("role", jinja.String(m.Role, false))
	switch {
	case m.Text != nil && caps.StringContent, m.Text != nil && !caps.PartsContent:
		d.Set("content", tainted(*m.Text))
	case m.Text != nil:
		p := Part{Type: "text", Text: *m.Text}
		d.Set("content", jinja.NewList(p.value()))
	case m.Parts == nil:
		d.Set("content", nil)
	case caps.PartsContent:
		l := jinja.NewList()
		for _, p := range m.Parts {
			l.Append(p.value())
		}
		d.Set("content", l)
	default: // templates that know text only
		text := ""
		for _, p := range m.Parts {
			if p.Type != "text" || p.Other != nil {
				return nil, fmt.Errorf("the template takes text only, not parts of type %.40q", p.Type)
			}
			text += p.Text
		}
		d.Set("content", tainted(text))
	}
	if m.Reasoning != "" {
		d.Set("reasoning_content", tainted(m.Reasoning))
		d.Set("thinking", tainted(m.Reasoning)) // gpt-oss
	}
	if len(m.ToolCalls) > 0 {
		calls := jinja.NewList()
		for _, c := range m.ToolCalls {
			v, err := c.value(caps)
			if err != nil {
				return nil, err
			}
			calls.Append(v)
		}
		d.Set("tool_calls", calls)
	}
	if m.ToolCallID != "" {
		d.Set("tool_call_id", tainted(m.ToolCallID))
	}
	if m.Name != "" {
		d.Set("name", tainted(m.Name))
	}
	return d, nil
}

func (p *Part) value() jinja.Value {
	if p.Other != nil {
		return p.Other
	}
	d := jinja.NewDict()
	d.Set("type", jinja.String("text", false))
	d.Set("text", tainted(p.Text))
	return d
}

func (c *ToolCall) value(caps Caps) (jinja.Value, error) {
	f, d := jinja.NewDict(), jinja.NewDict()
	f.Set("name", tainted(c.Name))
	switch a := c.Arguments.(type) {
	case nil:
		f.Set("arguments", jinja.NewDict())
	case jinja.Str:
		f.Set("arguments", a)
		if !caps.StringArguments && caps.ObjectArguments {
			v, err := jinja.Decode([]byte(a.String()), true)
			if err != nil {
				return nil, fmt.Errorf("the arguments of %.60q: %w", c.Name, err)
			}
			f.Set("arguments", v)
		}
	default:
		f.Set("arguments", a)
		if !caps.ObjectArguments && caps.StringArguments {
			s, err := jinja.JSON(a)
			if err != nil {
				return nil, fmt.Errorf("the arguments of %.60q: %w", c.Name, err)
			}
			f.Set("arguments", s)
		}
	}
	if c.ID != "" {
		d.Set("id", tainted(c.ID))
	}
	d.Set("type", jinja.String("function", false))
	d.Set("function", f)
	return d, nil
}
