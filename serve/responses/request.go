package responses

import (
	"encoding/json"
	"strings"

	"eclat/serve/core"
	"eclat/serve/field"
	"eclat/serve/openai"
)

// Bounds of requests.
const (
	maxItems  = 20_000
	maxParts  = 4096
	maxText   = 32 << 20 // bytes: the body bounds it
	maxName   = 256
	maxTools  = 512
	maxTokens = 1 << 30
)

// request is what is asked for, with what the response repeats of it.
type request struct {
	*openai.Turn
	stream   bool
	echo     response
	newRoles bool // the template knows the role developer
}

// answer answers /v1/responses.
func answer(x *core.Exchange) error {
	m, r, err := prepare(x)
	if err != nil {
		return err
	}
	return send(x, m, r)
}

// prepare reads a request, up to the prompt's tokens.
func prepare(x *core.Exchange) (*core.Model, *request, error) {
	o, err := x.Fields()
	if err != nil {
		return nil, nil, err
	}
	name := o.Text("model", maxName)
	o.Refuse("previous_response_id", "nothing is kept from request to request; send the whole conversation as input")
	o.Refuse("conversation", "nothing is kept from request to request; send the whole conversation as input")
	o.Refuse("prompt", "there are no stored prompts")
	if err := o.Err(); err != nil {
		return nil, nil, err
	}
	m, err := x.Open(name)
	if err != nil {
		return nil, nil, err
	}
	r := read(o, m)
	if err := o.End(); err != nil {
		return nil, nil, err
	}
	return m, r, r.Prepare(x, m)
}

// read reads all fields but the model's name.
func read(o *field.Object, m *core.Model) *request {
	r := &request{Turn: openai.ReadTurn(o, m), echo: newResponse(m)}
	r.newRoles = m.Template != nil && strings.Contains(m.Template.Source, "developer")
	r.readInput(o)
	r.readTools(o)
	r.readChoice(o)
	r.One = !o.Bool("parallel_tool_calls", true)
	r.stream = o.Bool("stream", false)
	if r.MaxTokens = o.Int("max_output_tokens", -1, 1, maxTokens); r.MaxTokens > 0 {
		r.echo.MaxTokens = &r.MaxTokens
	}
	if e := o.Object("reasoning"); e != nil {
		if effort := e.Choice("effort", "", "none", "minimal", "low", "medium", "high", "xhigh", "max"); effort != "" {
			r.Think(m, effort)
			r.echo.Reasoning.Effort = &effort
		}
		e.Without("summary", "generate_summary", "context", "mode")
		e.End()
	}
	r.readFormat(o, m)
	for _, v := range o.List("include", 32) {
		what, err := v.Text(maxName)
		if o.Fail(err); what == "message.output_text.logprobs" {
			o.Fail(v.Errorf("is %s, which is not told here; /v1/chat/completions tells logprobs", what))
		}
	}
	if v := o.Value("metadata"); v.Is('{') {
		r.echo.Metadata = v.Raw
	}
	r.echo.Parallel, r.echo.Temperature, r.echo.TopP = !r.One, r.Settings.Temp, r.Settings.TopP
	// None of these changes an answer: nothing is kept, and the cache gives the same tokens.
	o.Without("store", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "service_tier",
		"stream_options", "max_tool_calls", "client_metadata", "access_programs")
	o.Only("background", "false", "answers come at once")
	o.Only("truncation", `"disabled"`, "nothing is cut off")
	o.Only("top_logprobs", "0", "/v1/chat/completions tells logprobs")
	o.Refuse("moderation", "nothing is moderated")
	o.Refuse("context_management", "a context is never cut")
	return r
}

// readTools reads the tools that the client runs; others are passed over.
func (r *request) readTools(o *field.Object) {
	r.echo.Tools = []json.RawMessage{}
	for _, v := range o.List("tools", maxTools) {
		e := o.Element(v)
		if e.Text("type", 64) != "function" {
			continue
		}
		r.Offer(e, e.Text("name", maxName), e.Text("description", maxText), e.Value("parameters"), e.Bool("strict", false))
		e.Without("defer_loading", "async", "allowed_callers", "output_schema")
		e.End()
		r.echo.Tools = append(r.echo.Tools, v.Raw)
	}
}

func (r *request) readChoice(o *field.Object) {
	v := o.Value("tool_choice")
	r.echo.Choice = json.RawMessage(`"auto"`)
	switch {
	case v.Null():
		return
	case v.Is('"'):
		r.Mode = o.Choice("tool_choice", "auto", "none", "required")
	default:
		e := o.Object("tool_choice")
		if e.Choice("type", "function", "allowed_tools") == "function" {
			r.Mode, r.Names = "required", []string{e.Text("name", maxName)}
		} else {
			r.Mode = e.Choice("mode", "auto", "required")
			for _, t := range e.List("tools", maxTools) {
				n := e.Element(t)
				n.Choice("type", "function")
				r.Names = append(r.Names, n.Text("name", maxName))
				n.End()
			}
		}
		e.End()
	}
	r.echo.Choice = v.Raw
}

// readFormat reads what the answer keeps to.
func (r *request) readFormat(o *field.Object, m *core.Model) {
	t := o.Object("text")
	if t == nil {
		return
	}
	t.Only("verbosity", `"medium"`, "the model knows no other")
	if f := t.Object("format"); f != nil {
		var err error
		switch f.Choice("type", "text", "json_object", "json_schema") {
		case "json_object":
			r.Grammar, err = m.AnyObject()
		case "json_schema":
			f.Text("name", maxName)
			f.Text("description", maxText)
			f.Bool("strict", false) // the answer keeps to the schema either way
			schema := f.Value("schema")
			if schema.Null() {
				f.Failf("schema", "is missing")
			} else if o.Err() == nil {
				r.Grammar, err = m.Schema(schema.Raw, schema.Path)
			}
		}
		o.Fail(err)
		f.End()
		r.echo.Text.Format = t.Value("format").Raw
	}
	t.End()
}
