package openai

import (
	"encoding/json"
	"regexp"
	"slices"

	"eclat/engine/turn"
	"eclat/model/chat/jinja"
	"eclat/serve/core"
	"eclat/serve/field"
)

const (
	maxTools       = 512
	maxDescription = 1 << 20
)

// toolName is what a tool may be called.
var toolName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

// tool is one that the model may call.
type tool struct {
	name       string
	parameters field.Value // its JSON Schema; may be absent
	shown      jinja.Value // as templates show it
}

// choice says whether a tool is to be called.
type choice struct {
	mode  string   // none, auto or required
	names []string // of the tools that may be; nil: all
}

// readTools reads the tools and which of them may be called.
func readTools(o *field.Object) (tools []tool, c choice) {
	for _, v := range o.List("tools", maxTools) {
		e := o.Element(v)
		e.Choice("type", "function")
		f := e.Object("function")
		if f == nil {
			e.Failf("function", "is missing")
			return nil, c
		}
		t := tool{name: f.Text("name", maxName), parameters: f.Value("parameters")}
		f.Text("description", maxDescription)
		f.Bool("strict", false)
		f.End()
		e.Without("cache_control")
		e.End()
		switch {
		case !toolName.MatchString(t.name):
			f.Failf("name", "is %.40q; a name has letters, digits, _, - and .", t.name)
		case slices.ContainsFunc(tools, func(other tool) bool { return other.name == t.name }):
			f.Failf("name", "is %q, as that of another tool", t.name)
		case !t.parameters.Null() && !t.parameters.Is('{'):
			f.Failf("parameters", "is %s, not an object", t.parameters.Kind())
		}
		var err error
		t.shown, err = jinja.Decode(v.Raw, true)
		o.Fail(err)
		tools = append(tools, t)
	}
	o.Refuse("functions", "use tools")
	o.Refuse("function_call", "use tool_choice")
	c = readChoice(o)
	switch {
	case len(tools) == 0 && c.mode != "auto" && c.mode != "none":
		o.Failf("tool_choice", "asks for a call, and there are no tools")
	case c.mode == "":
		c.mode = "auto"
	}
	for _, name := range c.names {
		if !slices.ContainsFunc(tools, func(t tool) bool { return t.name == name }) {
			o.Failf("tool_choice", "names %.60q, which is none of the tools", name)
		}
	}
	return tools, c
}

// readChoice reads tool_choice: a word, one function, or several that are allowed.
func readChoice(o *field.Object) (c choice) {
	v := o.Value("tool_choice")
	switch {
	case v.Null():
		return choice{mode: "auto"}
	case v.Is('"'):
		c.mode = o.Choice("tool_choice", "none", "auto", "required")
		return c
	}
	named := func(e *field.Object) {
		e.Choice("type", "function")
		if f := e.Object("function"); f == nil {
			e.Failf("function", "is missing")
		} else {
			c.names = append(c.names, f.Text("name", maxName))
			f.End()
		}
		e.End()
	}
	e := o.Object("tool_choice")
	if e.Text("type", 32) != "allowed_tools" {
		c.mode = "required"
		named(e)
		return c
	}
	a := e.Object("allowed_tools")
	if a == nil {
		e.Failf("allowed_tools", "is missing")
		return c
	}
	c.mode = a.Choice("mode", "auto", "required")
	for _, v := range a.List("tools", maxTools) {
		named(a.Element(v))
	}
	a.End()
	e.End()
	return c
}

// callOf is the call that must come.
func callOf(m *core.Model, tools []tool, c choice) (*turn.Call, error) {
	call := &turn.Call{}
	for _, t := range tools {
		if c.names != nil && !slices.Contains(c.names, t.name) {
			continue
		}
		schema, path := t.parameters.Raw, t.parameters.Path
		if t.parameters.Null() {
			schema = json.RawMessage(`{"type":"object"}`)
		}
		masks, err := m.Schema(schema, path)
		if err != nil {
			return nil, err
		}
		call.Tools = append(call.Tools, turn.Tool{Name: t.name, Arguments: masks})
	}
	return call, nil
}
