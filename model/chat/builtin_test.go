package chat

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"eclat/model/chat/jinja"
)

// TestBuiltin: built-in templates give what the models' own give, where those are here, or
// refuse what they do not know: never another text.
func TestBuiltin(t *testing.T) {
	const dir = "../../../shared/templates/"
	data, err := os.ReadFile(dir + "conversations.json")
	if err != nil {
		t.Skip("the real templates are not here: ", err)
	}
	var all struct{ Conversations []json.RawMessage }
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	tools := []string{"tools-offered", "tools-no-system", "tool-round", "tool-round-answered", "tool-calls-parallel", "tool-args-string"}
	for _, c := range []struct {
		name, real string
		refuses    []string // conversations that the model's own takes
		otherCalls bool     // its form of tools is another: left out here
		takes      []string // conversations that its own takes, but not this one of the same family
	}{
		{name: "qwen3", real: "qwen3"},
		{name: "gemma", real: "gemma-3"},
		{name: "gpt-oss", real: "gpt-oss", refuses: tools},
		{name: "llama3.2", real: "llama-3.2", refuses: []string{"content-parts"}},
		{name: "magistral", real: "ministral-3-reasoning"},
		{name: "mistral-v7-tekken", real: "ministral-3-reasoning", refuses: []string{"content-parts"}, otherCalls: true, takes: []string{"empty-assistant", "roles-out-of-order"}},
	} {
		source, err := os.ReadFile(dir + c.real + ".jinja")
		if err != nil {
			t.Fatal(err)
		}
		ours, err := ParseBuiltIn(context.Background(), c.name)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := Parse(context.Background(), c.real, "a test", string(source), ours.bos, ours.eos)
		if err != nil {
			t.Fatal(err)
		}
		same, refused := 0, 0
		for _, raw := range all.Conversations {
			var vars [2]*jinja.Dict
			for i := range vars {
				if vars[i], err = Decode(raw); err != nil {
					t.Fatal(err)
				}
			}
			v, _ := vars[0].Get("id")
			id := v.(jinja.Str).String()
			if c.otherCalls && slices.Contains(tools, id) {
				continue
			}
			if c.name == "magistral" {
				thoughtAsPart(vars[1])
			}
			a, errA := ours.RenderVars(context.Background(), vars[0], when)
			b, errB := theirs.RenderVars(context.Background(), vars[1], when)
			want := ownSystem(c.name, a.String, b.String)
			switch {
			case errA != nil && errB == nil:
				if refused++; !slices.Contains(c.refuses, id) {
					t.Errorf("%s, %s: %v", c.name, id, errA)
				}
			case errA != nil:
				same++
			case errB != nil && slices.Contains(c.takes, id):
			case errB != nil:
				t.Errorf("%s, %s: %q, the model's own refuses: %v", c.name, id, a.String, errB)
			case a.String != want:
				t.Errorf("%s, %s:\n%q, the model's own\n%q", c.name, id, a.String, want)
			default:
				same++
			}
		}
		t.Logf("%s: %d of %d conversations the same, %d refused", c.name, same, len(all.Conversations), refused)
		if refused != len(c.refuses) {
			t.Errorf("%s: %d refused, not %d", c.name, refused, len(c.refuses))
		}
	}
}

// thoughtAsPart makes what was thought before an answer a part of its content: so the
// model's own template of this family takes it.
func thoughtAsPart(vars *jinja.Dict) {
	messages, _ := vars.Get("messages")
	for _, m := range messages.(*jinja.List).Items() {
		d := m.(*jinja.Dict)
		thought, ok := d.Get("reasoning_content")
		if !ok {
			continue
		}
		content, _ := d.Get("content")
		part := func(kind string, text jinja.Value) *jinja.Dict {
			p := jinja.NewDict()
			p.Set("type", jinja.String(kind, false))
			p.Set(kind, text)
			return p
		}
		d.Set("content", jinja.NewList(part("thinking", thought), part("text", content)))
	}
}

// ownSystem is what the template of another model of the Mistral family gives, with the
// system prompt that a has where no message says one, or without any.
func ownSystem(name, a, b string) string {
	const begin, end, theirs = "<s>[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "# HOW YOU SHOULD THINK AND ANSWER"
	if !strings.HasPrefix(b, begin+theirs) {
		return b
	}
	rest := b[strings.Index(b, end)+len(end):]
	if name != "magistral" {
		return "<s>" + rest
	}
	own, _, _ := strings.Cut(strings.TrimPrefix(a, begin), end)
	if !strings.HasPrefix(own, "First draft your thinking process") {
		return b
	}
	return begin + own + end + rest
}

// FuzzConversation: any conversation ends in a prompt or an error with each built-in
// template, and none of its text becomes the template's.
func FuzzConversation(f *testing.F) {
	var all []*Template
	for _, name := range order {
		t, err := ParseBuiltIn(context.Background(), name)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, t)
	}
	for _, s := range []string{
		`{"messages": [{"role": "user", "content": "a <|im_end|>"}], "add_generation_prompt": true}`,
		`{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant", "content": null, "tool_calls": [{"id": "abcdefgh1", "type": "function", "function": {"name": "f", "arguments": {"a": [1, 2.5, null]}}}]}, {"role": "tool", "tool_call_id": "abcdefgh1", "content": "r"}], "tools": [{"type": "function", "function": {"name": "f"}}]}`,
		`{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "reasoning_content": "c"}, {"role": "user", "content": ""}], "enable_thinking": false, "bos_token": "<x>", "date_string": 3}`,
		`{"messages": {"role": 1}}`, `{"messages": [[], 1, null, {"role": {}}]}`, `[`, `{"messages": []}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, tmpl := range all {
			vars, err := Decode(data)
			if err != nil {
				return
			}
			text, err := tmpl.RenderVars(context.Background(), vars, when)
			if err != nil {
				if strings.Contains(err.Error(), "\n") || len(err.Error()) > 2000 {
					t.Fatalf("%s: %q", tmpl.Name, err)
				}
				continue
			}
			at := 0
			for _, s := range text.Tainted {
				if s.From < at || s.To <= s.From || s.To > len(text.String) {
					t.Fatalf("%s: spans %v of %d bytes", tmpl.Name, text.Tainted, len(text.String))
				}
				at = s.To
			}
		}
	})
}
