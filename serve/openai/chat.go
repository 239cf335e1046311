package openai

import (
	"slices"
	"strings"

	"eclat/engine/turn"
	"eclat/model/chat"
	"eclat/model/chat/jinja"
	"eclat/model/chat/parts"
	"eclat/serve/core"
	"eclat/serve/field"
)

// efforts are the words for how much a model should think, and how many tokens they allow
// where the template does not know them; 0 for any number.
var efforts = map[string]int{"none": turn.NoReasoning, "minimal": 512, "low": 2048, "medium": 8192, "high": 0, "xhigh": 0, "max": 0}

// chatCompletions answers /v1/chat/completions.
func chatCompletions(x *core.Exchange) error {
	o, m, err := begin(x)
	if err != nil {
		return err
	}
	a, err := readChat(x, o, m)
	if err != nil {
		return err
	}
	return sendChat(x, m, a)
}

// begin reads a request's fields and opens the model that it names.
func begin(x *core.Exchange) (*field.Object, *core.Model, error) {
	o, err := x.Fields()
	if err != nil {
		return nil, nil, err
	}
	m, err := x.Open(modelName(o))
	return o, m, err
}

// modelName is the model asked for; "" for the default one.
func modelName(o *field.Object) string {
	name := o.Text("model", maxName)
	if o.Err() != nil {
		return "" // the error is told once the other fields are read
	}
	return name
}

// readChat reads the request, up to the prompt's tokens.
func readChat(x *core.Exchange, o *field.Object, m *core.Model) (*ask, error) {
	a := readAsk(o, m)
	conversation, tools, call := readConversation(o, m)
	if a.LogProbs = o.Bool("logprobs", false); a.LogProbs {
		a.Top = o.Int("top_logprobs", 0, 0, maxTop)
	} else if o.Int("top_logprobs", 0, 0, maxTop) > 0 {
		o.Failf("top_logprobs", "needs logprobs: true")
	}
	a.one = !o.Bool("parallel_tool_calls", true)
	a.Tools = len(conversation.Tools) > 0
	a.Reasoning = readReasoning(o, m, conversation)
	a.Grammar = readFormat(o, m)
	proceed := o.Bool("continue_final_message", false)
	o.Only("modalities", `["text"]`, "answers are text")
	o.Only("verbosity", `"medium"`, "the model knows no other")
	o.Only("reasoning_format", `"auto"`, "reasoning is told as reasoning_content")
	o.Refuse("audio", "there is no sound")
	o.Refuse("moderation", "nothing is moderated")
	o.Refuse("web_search_options", "nothing is looked up")
	if err := o.End(); err != nil {
		return nil, err
	}
	if err := a.hold(m, tools, call); err != nil {
		return nil, err
	}
	if a.Reasoning > 0 && m.Format.Close() == "" {
		return nil, core.Wrong("reasoning_budget", "cannot be kept: %v", turn.ErrReasoning)
	}
	return &a, a.prompt(x, m, conversation, proceed)
}

// readConversation reads what the template is given, the tools, and whether one must be
// called.
func readConversation(o *field.Object, m *core.Model) (*chat.Conversation, []tool, choice) {
	c := &chat.Conversation{Messages: readMessages(o, m), GenerationPrompt: o.Bool("add_generation_prompt", true)}
	tools, call := readTools(o)
	if call.mode != "none" { // a model that is not shown a tool calls none
		for _, t := range tools {
			if call.mode == "required" || call.names == nil || slices.Contains(call.names, t.name) {
				c.Tools = append(c.Tools, t.shown)
			}
		}
	}
	c.Vars = jinja.NewDict()
	if v := o.Value("chat_template_kwargs"); !v.Null() {
		given, err := jinja.Decode(v.Raw, true)
		d, ok := given.(*jinja.Dict)
		switch {
		case err != nil:
			o.Failf("chat_template_kwargs", "is %v", err)
		case !ok:
			o.Failf("chat_template_kwargs", "is %s, not an object", v.Kind())
		default:
			for _, k := range []string{"messages", "tools", "add_generation_prompt"} {
				if _, is := d.Get(k); is {
					o.Failf("chat_template_kwargs", "has %s, which is a field of its own", k)
				}
			}
			c.Vars = d
		}
	}
	return c, tools, call
}

// readReasoning reads how much the model may think: an effort, a number of tokens, or the
// template's own switch.
func readReasoning(o *field.Object, m *core.Model, c *chat.Conversation) (tokens int) {
	if effort := o.Choice("reasoning_effort", "", "none", "minimal", "low", "medium", "high", "xhigh", "max"); effort != "" {
		if _, given := c.Vars.Get("reasoning_effort"); !given {
			c.Vars.Set("reasoning_effort", jinja.String(effort, true))
		}
		if _, given := c.Vars.Get("enable_thinking"); !given {
			c.Vars.Set("enable_thinking", effort != "none")
		}
		tokens = efforts[effort]
		if tokens > 0 && (m.Format.Close() == "" || strings.Contains(m.Template.Source, "reasoning_effort")) {
			tokens = 0 // the model does not think, or the template says how much
		}
	}
	if v, ok := c.Vars.Get("enable_thinking"); ok && v == false {
		tokens = turn.NoReasoning
	}
	if o.Has("reasoning_budget") {
		switch n := o.Int("reasoning_budget", -1, -1, maxTokens); n {
		case -1:
			tokens = 0
		case 0:
			tokens = turn.NoReasoning
		default:
			tokens = n
		}
	} else {
		o.Without("reasoning_budget")
	}
	return tokens
}

// prompt makes the prompt of a conversation; with proceed the last message is the beginning
// of the answer that is to come. Where that has reasoning and no text, the reasoning goes on.
func (a *ask) prompt(x *core.Exchange, m *core.Model, c *chat.Conversation, proceed bool) error {
	var last chat.Message
	if proceed {
		last = c.Messages[len(c.Messages)-1]
		if last.Role != "assistant" || len(last.ToolCalls) > 0 || len(c.Messages) < 2 {
			return core.Wrong("continue_final_message", "needs an answer as the last of several messages")
		}
		c.Messages, c.GenerationPrompt = c.Messages[:len(c.Messages)-1], true
	}
	p, err := x.Render(m, c)
	if err != nil {
		return err
	}
	a.Tokens, a.Opened = p.IDs, p.Opened
	if !proceed {
		return nil
	}
	spell := func(text string, tainted bool) {
		t := jinja.Text{String: text}
		if tainted && text != "" {
			t.Tainted = []jinja.Span{{From: 0, To: len(text)}}
		}
		a.Tokens = chat.EncodeMore(a.Tokens, m.Engine.Tokenizer, t)
	}
	openers := m.Format.Markers(parts.Reasoning)
	switch {
	case last.Reasoning != "" && m.Format.Close() != "" && (p.Opened || len(openers) > 0):
		if !p.Opened {
			spell(openers[0], false)
		}
		spell(last.Reasoning, true)
		if (last.Text == nil || *last.Text == "") && len(last.Parts) == 0 {
			a.Opened = true
			return nil
		}
		spell(m.Format.Close(), false)
	case p.Opened:
		spell(m.Format.Close(), false)
	default:
		spell(m.Format.Direct(), false)
	}
	a.Opened = false
	if last.Text != nil {
		spell(*last.Text, true)
	}
	for _, part := range last.Parts {
		spell(part.Text, true)
	}
	return nil
}
