package responses

import (
	"eclat/model/chat"
	"eclat/model/chat/jinja"
	"eclat/serve/field"
)

// readInput reads instructions and input as a conversation: a text, or items.
func (r *request) readInput(o *field.Object) {
	if text := o.Text("instructions", maxText); text != "" {
		r.add(chat.Message{Role: "system", Text: &text})
		r.echo.Instructions = &text
	}
	v := o.Value("input")
	switch {
	case v.Null():
		o.Failf("input", "is missing")
		return
	case v.Is('"'):
		text := o.Text("input", maxText)
		r.add(chat.Message{Role: "user", Text: &text})
		return
	}
	names := map[string]string{} // of tools, by the ids of their calls
	thought := ""                // before the answer that follows
	for _, v := range o.List("input", maxItems) {
		e := o.Element(v)
		switch kind := e.Choice("type", "message", "function_call", "function_call_output", "reasoning"); kind {
		case "message":
			text := readContent(e, "content")
			msg := chat.Message{Role: e.Choice("role", "user", "assistant", "system", "developer"), Text: &text}
			switch {
			case msg.Role == "developer" && !r.newRoles:
				msg.Role = "system" // the same thing by its older name
			case msg.Role == "assistant":
				msg.Reasoning, thought = thought, ""
			}
			r.add(msg)
		case "function_call":
			call := chat.ToolCall{ID: e.Text("call_id", maxName), Name: e.Text("name", maxName)}
			if call.Name == "" {
				e.Failf("name", "is missing")
			}
			call.Arguments = jinja.String(e.Text("arguments", maxText), true)
			names[call.ID] = call.Name
			c := r.Conversation
			if n := len(c.Messages); n == 0 || c.Messages[n-1].Role != "assistant" || thought != "" {
				r.add(chat.Message{Role: "assistant", Reasoning: thought})
				thought = ""
			}
			last := &c.Messages[len(c.Messages)-1]
			last.ToolCalls = append(last.ToolCalls, call)
		case "function_call_output":
			id := e.Text("call_id", maxName)
			text := readContent(e, "output")
			r.add(chat.Message{Role: "tool", ToolCallID: id, Name: names[id], Text: &text})
		case "reasoning":
			for _, p := range e.List("content", maxParts) {
				part := e.Element(p)
				part.Choice("type", "reasoning_text")
				thought += part.Text("text", maxText)
				part.End()
			}
			e.Without("summary", "encrypted_content") // what only another model's server reads
		}
		e.Without("id", "status", "phase", "namespace", "caller")
		e.End()
		if o.Err() != nil {
			return
		}
	}
	if len(r.Conversation.Messages) == 0 {
		o.Failf("input", "is empty")
	}
}

func (r *request) add(msg chat.Message) {
	r.Conversation.Messages = append(r.Conversation.Messages, msg)
}

// readContent reads a text, or parts of which all are text.
func readContent(e *field.Object, key string) (text string) {
	v := e.Value(key)
	switch {
	case v.Null():
		e.Failf(key, "is missing")
		return ""
	case v.Is('"'):
		return e.Text(key, maxText)
	}
	for _, p := range e.List(key, maxParts) {
		part := e.Element(p)
		switch kind := part.Text("type", 64); kind {
		case "input_text", "output_text", "text":
			text += part.Text("text", maxText)
		case "refusal":
			text += part.Text("refusal", maxText)
		default:
			part.Failf("type", "is %.40q; the model takes text only", kind)
		}
		part.Without("annotations", "logprobs", "prompt_cache_breakpoint")
		part.End()
	}
	return text
}
