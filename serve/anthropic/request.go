package anthropic

import (
	"eclat/engine/turn"
	"eclat/model/chat/stop"
	"eclat/serve/core"
	"eclat/serve/field"
	"eclat/serve/openai"
)

// Bounds of requests.
const (
	maxMessages = 10_000
	maxBlocks   = 4096
	maxText     = 32 << 20 // bytes: the body bounds it
	maxName     = 256
	maxTools    = 512
	maxStops    = 64
	maxStop     = 1024 // bytes
	maxTokens   = 1 << 30
)

// messages answers /v1/messages.
func messages(x *core.Exchange) error {
	o, m, t, err := read(x)
	if err != nil {
		return err
	}
	if t.MaxTokens = o.Int("max_tokens", -1, 1, maxTokens); t.MaxTokens < 0 {
		o.Failf("max_tokens", "is missing")
	}
	stream := o.Bool("stream", false)
	if err := o.End(); err != nil {
		return err
	}
	if err := t.Prepare(x, m); err != nil {
		return err
	}
	if stream {
		return streamed(x, m, t)
	}
	return whole(x, m, t)
}

// countTokens answers /v1/messages/count_tokens: how long the prompt is.
func countTokens(x *core.Exchange) error {
	o, m, t, err := read(x)
	if err != nil {
		return err
	}
	o.Without("max_tokens", "stream")
	if err := o.End(); err != nil {
		return err
	}
	if err := t.Prepare(x, m); err != nil {
		return err
	}
	return x.JSON(map[string]int{"input_tokens": len(t.Tokens)})
}

// read reads the fields that both have.
func read(x *core.Exchange) (*field.Object, *core.Model, *openai.Turn, error) {
	o, err := x.Fields()
	if err != nil {
		return nil, nil, nil, err
	}
	name := o.Text("model", maxName)
	if err := o.Err(); err != nil {
		return nil, nil, nil, err
	}
	m, err := x.Open(name)
	if err != nil {
		return nil, nil, nil, err
	}
	t := openai.ReadTurn(o, m)
	c := t.Conversation
	c.Messages = append(readSystem(o), readMessages(o)...)
	if n := len(c.Messages); n > 1 && c.Messages[n-1].Role == "assistant" {
		t.Proceed = true
	}
	t.Stops = o.Texts("stop_sequences", maxStops, maxStop)
	if _, err := stop.New(t.Stops...); err != nil {
		o.Failf("stop_sequences", "cannot be looked for: %v", err)
	}
	readTools(o, t)
	readChoice(o, t)
	readThinking(o, m, t)
	// None of these changes an answer.
	o.Without("metadata", "service_tier", "cache_control", "diagnostics", "inference_geo", "context_management", "betas")
	o.Only("speed", `"standard"`, "there is one speed")
	o.Refuse("container", "nothing is run here")
	o.Refuse("mcp_servers", "no other server is asked")
	return o, m, t, nil
}

// readTools reads the tools: only those that the client runs.
func readTools(o *field.Object, t *openai.Turn) {
	for _, v := range o.List("tools", maxTools) {
		e := o.Element(v)
		e.Choice("type", "custom")
		schema := e.Value("input_schema")
		if schema.Null() {
			e.Failf("input_schema", "is missing")
		}
		t.Offer(e, e.Text("name", maxName), e.Text("description", maxText), schema, e.Bool("strict", false))
		e.Without("cache_control", "eager_input_streaming", "defer_loading", "allowed_callers", "input_examples")
		e.End()
	}
}

func readChoice(o *field.Object, t *openai.Turn) {
	c := o.Object("tool_choice")
	if c == nil {
		return
	}
	switch c.Choice("type", "auto", "any", "tool", "none") {
	case "any":
		t.Mode = "required"
	case "none":
		t.Mode = "none"
	case "tool":
		t.Mode, t.Names = "required", []string{c.Text("name", maxName)}
	}
	t.One = c.Bool("disable_parallel_tool_use", false)
	c.End()
}

// readThinking reads how much the model may think, and what its answer keeps to. A limit on
// what does not think is kept by itself.
func readThinking(o *field.Object, m *core.Model, t *openai.Turn) {
	if c := o.Object("output_config"); c != nil {
		if effort := c.Choice("effort", "", "low", "medium", "high", "xhigh", "max"); effort != "" {
			t.Think(m, effort)
		}
		if f := c.Object("format"); f != nil {
			f.Choice("type", "json_schema")
			schema := f.Value("schema")
			if schema.Null() {
				f.Failf("schema", "is missing")
			}
			f.End()
			if o.Err() == nil {
				var err error
				t.Grammar, err = m.Schema(schema.Raw, schema.Path)
				o.Fail(err)
			}
		}
		c.End()
	}
	c := o.Object("thinking")
	if c == nil {
		return
	}
	kind := c.Choice("type", "adaptive", "enabled", "disabled")
	budget := c.Int("budget_tokens", 0, 1, maxTokens)
	c.Without("display")
	c.End()
	t.Conversation.Vars.Set("enable_thinking", kind != "disabled")
	switch {
	case kind == "disabled":
		t.Reasoning = turn.NoReasoning
	case kind == "enabled" && budget == 0:
		c.Failf("budget_tokens", "is missing")
	case budget > 0 && m.Format.Close() != "":
		t.Reasoning = budget
	}
}
