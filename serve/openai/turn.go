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

// Turn is an answer to a conversation that another API asks for: what the APIs have in
// common once their fields are read. Its Request's limits are the caller's to set.
type Turn struct {
	ask
	Conversation *chat.Conversation
	Mode         string   // of calls: auto, none or required
	Names        []string // of the tools that may be called; nil: all
	One          bool     // at most one call
	Proceed      bool     // the last message is the beginning of the answer
	tools        []tool
}

// ReadTurn reads the fields of sampling, which all APIs have by the same names.
func ReadTurn(o *field.Object, m *core.Model) *Turn {
	t := &Turn{Conversation: &chat.Conversation{GenerationPrompt: true, Vars: jinja.NewDict()}, Mode: "auto"}
	t.Settings = readSampling(o, m)
	t.n, t.MaxTokens = 1, -1
	return t
}

// Offer offers a tool; of is the object that describes it, and parameters its JSON Schema.
func (t *Turn) Offer(of *field.Object, name, description string, parameters field.Value, strict bool) {
	f, shown := jinja.NewDict(), jinja.NewDict()
	f.Set("name", jinja.String(name, true))
	if description != "" {
		f.Set("description", jinja.String(description, true))
	}
	switch {
	case !toolName.MatchString(name):
		of.Failf("name", "is %.40q; a name has letters, digits, _, - and .", name)
	case slices.ContainsFunc(t.tools, func(other tool) bool { return other.name == name }):
		of.Failf("name", "is %q, as that of another tool", name)
	case !parameters.Null() && !parameters.Is('{'):
		of.Fail(parameters.Errorf("is %s, not an object", parameters.Kind()))
	case !parameters.Null():
		schema, err := jinja.Decode(parameters.Raw, true)
		of.Fail(err)
		f.Set("parameters", schema)
	}
	shown.Set("type", jinja.String("function", false))
	shown.Set("function", f)
	t.tools = append(t.tools, tool{name: name, path: of.Path, parameters: parameters, strict: strict, shown: shown})
}

// Think says how much the model may think by a word, as reasoning_effort does.
func (t *Turn) Think(m *core.Model, effort string) {
	t.Conversation.Vars.Set("reasoning_effort", jinja.String(effort, true))
	t.Conversation.Vars.Set("enable_thinking", effort != "none")
	t.Reasoning = efforts[effort]
	if t.Reasoning > 0 && (m.Format.Close() == "" || m.Template != nil && strings.Contains(m.Template.Source, "reasoning_effort")) {
		t.Reasoning = 0 // the model does not think, or the template says how much
	}
}

// Prepare makes the prompt, once all fields are read without a fault.
func (t *Turn) Prepare(x *core.Exchange, m *core.Model) error {
	for _, name := range t.Names {
		if !slices.ContainsFunc(t.tools, func(o tool) bool { return o.name == name }) {
			return core.Wrong("tool_choice", "names %.60q, which is none of the tools", name)
		}
	}
	if t.Mode == "required" && len(t.tools) == 0 {
		return core.Wrong("tool_choice", "asks for a call, and there are no tools")
	}
	if t.Mode != "none" { // a model that is not shown a tool calls none
		for _, o := range t.tools {
			if t.Names == nil || slices.Contains(t.Names, o.name) {
				t.Conversation.Tools = append(t.Conversation.Tools, o.shown)
			}
		}
	}
	t.Tools, t.one = len(t.Conversation.Tools) > 0, t.One
	if err := t.hold(m, t.tools, choice{t.Mode, t.Names}); err != nil {
		return err
	}
	return t.prompt(x, m, t.Conversation, t.Proceed)
}

// Run answers: begin is called once the request is taken, tell with what comes of it.
func (t *Turn) Run(x *core.Exchange, m *core.Model, begin func() error, tell func(d parts.Delta) error) (turn.Result, error) {
	results, err := t.run(x, m, [][]int32{t.Tokens}, begin, func(_ int, ev turn.Event) error {
		deltas, enough := ev.Deltas, false
		if t.one {
			deltas, enough = oneCall(deltas)
		}
		for _, d := range deltas {
			if err := tell(d); err != nil {
				return err
			}
		}
		if enough {
			return errOneCall
		}
		return nil
	})
	if err != nil {
		return turn.Result{}, err
	}
	return results[0].Result, nil
}

// Fingerprint names the weights that a model's answers are of.
func Fingerprint(m *core.Model) string { return fingerprint(m) }
