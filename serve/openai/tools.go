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
	path       string      // of its function
	parameters field.Value // its JSON Schema; may be absent
	strict     bool        // its arguments are to keep to that
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
		t := tool{name: f.Text("name", maxName), path: f.Path, parameters: f.Value("parameters")}
		f.Text("description", maxDescription)
		t.strict = f.Bool("strict", false)
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

// callable are the tools that may be called, with what their arguments are held to: always
// where a call is demanded, else for those that are strict.
func callable(m *core.Model, tools []tool, c choice) (list []turn.Tool, err error) {
	for _, t := range tools {
		if c.names != nil && !slices.Contains(c.names, t.name) {
			continue
		}
		schema, path := t.parameters.Raw, t.parameters.Path
		if t.parameters.Null() || c.mode != "required" && !t.strict {
			schema = json.RawMessage(`{"type":"object"}`)
		}
		masks, err := m.Schema(schema, path)
		if err != nil {
			return nil, err
		}
		list = append(list, turn.Tool{Name: t.name, Arguments: masks})
	}
	return list, nil
}

// hold holds the request to calls of the tools: to one where one is demanded, else those
// that the model makes where a tool is strict.
func (a *ask) hold(m *core.Model, tools []tool, c choice) error {
	strict := slices.IndexFunc(tools, func(t tool) bool { return t.strict })
	switch {
	case len(tools) == 0 || c.mode == "none":
		return nil
	case c.mode == "required" && m.Format.Call().Before == "":
		return core.Wrong("tool_choice", "cannot be kept: %v", turn.ErrCall)
	case m.Template != nil && !m.Template.Caps.Tools:
		return core.Wrong("tools", "are not supported: the model's chat template shows none")
	case c.mode == "required":
		list, err := callable(m, tools, c)
		a.Call = &turn.Call{Tools: list}
		if err == nil && a.Grammar != nil {
			err = core.Wrong("response_format", "is for an answer, and tool_choice asks for a call")
		}
		return err
	case strict < 0:
		return nil
	case m.Format.Call().Before == "" || !m.MarksCalls():
		return core.Wrong(tools[strict].path+".strict", "cannot be kept: %v; leave it out, or ask for the call by tool_choice", turn.ErrStrict)
	}
	var err error
	a.Strict, err = callable(m, tools, c)
	return err
}
