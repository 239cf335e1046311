package anthropic

import (
	"strings"

	"eclat/model/chat"
	"eclat/model/chat/jinja"
	"eclat/serve/field"
)

// billing begins a block that a client puts before its system prompt, and that is another
// in each request: it says nothing to the model, and nothing after it would be found again.
const billing = "x-anthropic-billing-header"

// readSystem reads the system prompt: a text, or blocks of it.
func readSystem(o *field.Object) []chat.Message {
	v := o.Value("system")
	if v.Null() {
		return nil
	}
	text := readTexts(o, "system", func(s string) bool { return !strings.HasPrefix(strings.TrimSpace(s), billing) }, "\n")
	if text == "" {
		return nil
	}
	return []chat.Message{{Role: "system", Text: &text}}
}

// readTexts reads a field that is a text, or blocks of text of which some are kept.
func readTexts(o *field.Object, key string, keep func(string) bool, between string) string {
	v := o.Value(key)
	if v.Null() || v.Is('"') {
		return o.Text(key, maxText)
	}
	var texts []string
	for _, b := range o.List(key, maxBlocks) {
		e := o.Element(b)
		if s := readText(e); keep(s) {
			texts = append(texts, s)
		}
	}
	return strings.Join(texts, between)
}

// readText reads a block that must be text.
func readText(e *field.Object) string {
	if kind := e.Text("type", 64); kind != "text" {
		e.Failf("type", "is %.40q; the model takes text only", kind)
		return ""
	}
	s := e.Text("text", maxText)
	e.Without("cache_control", "citations")
	e.End()
	return s
}

// readMessages reads the conversation.
func readMessages(o *field.Object) (list []chat.Message) {
	names := map[string]string{} // of tools, by the ids of their calls
	all := o.List("messages", maxMessages)
	if len(all) == 0 {
		o.Failf("messages", "are none")
	}
	for _, v := range all {
		e := o.Element(v)
		role := e.Text("role", 32)
		if role != "user" && role != "assistant" {
			e.Failf("role", "is %.40q, not one of user, assistant", role)
		}
		switch c := e.Value("content"); {
		case c.Null():
			e.Failf("content", "is missing")
		case c.Is('"'):
			text := e.Text("content", maxText)
			list = append(list, chat.Message{Role: role, Text: &text})
		case role == "assistant":
			list = append(list, readAnswer(e, names))
		default:
			list = append(list, readUser(e, names)...)
		}
		e.End()
		if o.Err() != nil {
			return nil
		}
	}
	return list
}

// readAnswer reads the blocks of an earlier answer.
func readAnswer(e *field.Object, names map[string]string) chat.Message {
	msg := chat.Message{Role: "assistant"}
	text := ""
	for _, b := range e.List("content", maxBlocks) {
		p := e.Element(b)
		switch p.Text("type", 64) {
		case "thinking":
			msg.Reasoning += p.Text("thinking", maxText)
			p.Without("signature", "cache_control")
			p.End()
		case "redacted_thinking": // another model's, in a form that only it reads
			p.Without("data")
			p.End()
		case "tool_use":
			call := chat.ToolCall{ID: p.Text("id", maxName), Name: p.Text("name", maxName)}
			if call.Name == "" {
				p.Failf("name", "is missing")
			}
			input := p.Value("input")
			switch {
			case input.Null():
				call.Arguments = jinja.NewDict()
			case !input.Is('{'):
				p.Failf("input", "is %s, not an object", input.Kind())
			default:
				var err error
				call.Arguments, err = jinja.Decode(input.Raw, true)
				p.Fail(err)
			}
			p.Without("cache_control", "caller", "toolset_name")
			p.End()
			names[call.ID] = call.Name
			msg.ToolCalls = append(msg.ToolCalls, call)
		default:
			text += readText(p)
		}
	}
	if text != "" || len(msg.ToolCalls) == 0 {
		msg.Text = &text
	}
	return msg
}

// readUser reads what the user says and what tools gave, in order: each result is a
// message of its own, and so is the text between them.
func readUser(e *field.Object, names map[string]string) (list []chat.Message) {
	for _, b := range e.List("content", maxBlocks) {
		p := e.Element(b)
		if p.Text("type", 64) != "tool_result" {
			text := readText(p)
			if n := len(list); n > 0 && list[n-1].Role == "user" {
				text = *list[n-1].Text + "\n" + text
				list[n-1].Text = &text
			} else {
				list = append(list, chat.Message{Role: "user", Text: &text})
			}
			continue
		}
		id := p.Text("tool_use_id", maxName)
		text := readTexts(p, "content", func(string) bool { return true }, "\n")
		if p.Bool("is_error", false) { // templates have no other word for it
			text = "Error: " + text
		}
		p.Without("cache_control", "toolset_name")
		p.End()
		list = append(list, chat.Message{Role: "tool", ToolCallID: id, Name: names[id], Text: &text})
	}
	if len(list) == 0 {
		list = append(list, chat.Message{Role: "user", Text: new(string)})
	}
	return list
}
