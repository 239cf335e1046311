package openai

import (
	"strings"

	"eclat/model/chat"
	"eclat/model/chat/jinja"
	"eclat/serve/core"
	"eclat/serve/field"
)

const (
	maxMessages = 10_000
	maxParts    = 1024
	maxText     = 32 << 20 // bytes: the body bounds it
	maxName     = 256
	maxCalls    = 256 // of one message
)

// readMessages reads the messages of a conversation for a model's template.
func readMessages(o *field.Object, m *core.Model) (messages []chat.Message) {
	names := map[string]string{} // of tools, by the ids of their calls
	list := o.List("messages", maxMessages)
	if len(list) == 0 {
		o.Failf("messages", "are none")
	}
	for _, v := range list {
		e := o.Element(v)
		msg := chat.Message{Role: e.Text("role", 32)}
		switch msg.Role {
		case "system", "user", "assistant", "tool":
		case "developer":
			if m.Template == nil || !strings.Contains(m.Template.Source, "developer") {
				msg.Role = "system" // the same thing by its older name
			}
		case "":
			e.Failf("role", "is missing")
		default:
			e.Failf("role", "is %.40q, not one of system, developer, user, assistant, tool", msg.Role)
		}
		readContent(e, &msg)
		msg.Name = e.Text("name", maxName)
		msg.Reasoning = e.Text("reasoning_content", maxText)
		if r := e.Text("reasoning", maxText); msg.Reasoning == "" {
			msg.Reasoning = r
		}
		if msg.Role == "assistant" {
			readCalls(e, &msg, names)
		}
		if msg.Role == "tool" {
			msg.ToolCallID = e.Text("tool_call_id", maxName)
			if msg.Name == "" {
				msg.Name = names[msg.ToolCallID]
			}
		}
		e.Refuse("function_call", "use tool_calls")
		e.Refuse("audio", "there is no sound")
		e.Without("annotations", "id", "type", "status")
		e.End()
		messages = append(messages, msg)
	}
	return messages
}

// readContent reads a message's content: a text, or parts of which all are text.
func readContent(e *field.Object, msg *chat.Message) {
	v := e.Value("content")
	if refusal := e.Text("refusal", maxText); v.Null() && refusal != "" {
		msg.Text = &refusal
		return
	}
	switch {
	case v.Null():
		if msg.Role != "assistant" {
			e.Failf("content", "is missing")
		} else if !e.Has("tool_calls") {
			msg.Text = new(string)
		}
	case v.Is('"'):
		text := e.Text("content", maxText)
		msg.Text = &text
	default:
		var texts []string
		for _, part := range e.List("content", maxParts) {
			p := e.Element(part)
			switch kind := p.Text("type", 64); kind {
			case "text", "input_text", "output_text":
				texts = append(texts, p.Text("text", maxText))
			case "refusal":
				texts = append(texts, p.Text("refusal", maxText))
			default:
				p.Failf("type", "is %.40q; the model takes text only", kind)
			}
			p.Without("annotations", "cache_control", "image_url", "input_audio", "file")
			p.End()
		}
		for _, text := range texts {
			msg.Parts = append(msg.Parts, chat.Part{Type: "text", Text: text})
		}
		if len(texts) == 0 {
			msg.Text = new(string)
		}
		if msg.Role == "tool" || len(texts) == 1 { // templates take a result, and most other things, as text
			text := strings.Join(texts, "")
			msg.Text, msg.Parts = &text, nil
		}
	}
}

// readCalls reads the calls of an answer.
func readCalls(e *field.Object, msg *chat.Message, names map[string]string) {
	for _, v := range e.List("tool_calls", maxCalls) {
		c := e.Element(v)
		c.Choice("type", "function")
		call := chat.ToolCall{ID: c.Text("id", maxName)}
		c.Without("index")
		if f := c.Object("function"); f == nil {
			c.Failf("function", "is missing")
		} else {
			call.Name = f.Text("name", maxName)
			if call.Name == "" {
				f.Failf("name", "is missing")
			}
			if a := f.Value("arguments"); a.Is('{') { // some send it as it is
				arguments, err := jinja.Decode(a.Raw, true)
				f.Fail(err)
				call.Arguments = arguments
			} else if text := f.Text("arguments", maxText); text != "" {
				call.Arguments = jinja.String(text, true)
			}
			f.End()
		}
		c.End()
		names[call.ID] = call.Name
		msg.ToolCalls = append(msg.ToolCalls, call)
	}
}
