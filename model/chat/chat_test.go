package chat

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/model/chat/jinja"
	"eclat/model/tokenizer"
)

var when = time.Unix(1767323045, 0).UTC()

// TestControlTokens: a conversation whose text holds every control token of a
// vocabulary yields none of them but those of the template.
func TestControlTokens(t *testing.T) {
	for _, path := range []string{"../../testdata/tokenizer/bpe.gguf", "../../testdata/tokenizer/spm.gguf", "../../../shared/vocab/tekken.gguf", "../../../shared/vocab/spm.gguf"} {
		t.Run(path, func(t *testing.T) {
			f, err := loader.Open(path)
			if errors.Is(err, os.ErrNotExist) {
				t.Skip("the vocabulary is not here: ", path)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			tok, err := tokenizer.New(f)
			if err != nil {
				t.Fatal(err)
			}
			var all, spaced strings.Builder
			controls := 0
			for id := range int32(tok.Size()) {
				if tok.IsControl(id) {
					controls++
					all.WriteString(tok.Text(id))
					spaced.WriteString(" " + tok.Text(id) + "\n")
				}
			}
			if controls == 0 {
				t.Fatal("the vocabulary has no control tokens")
			}
			for _, name := range order {
				tmpl, err := ParseBuiltIn(context.Background(), name)
				if err != nil {
					t.Fatal(err)
				}
				count := func(text string) (n int) {
					c := &Conversation{GenerationPrompt: true, Messages: []Message{{Role: "system", Text: &text}, {Role: "user", Text: &text}, {Role: "assistant", Text: &text}, {Role: "user", Text: &text}}}
					got, err := tmpl.Render(context.Background(), c, when)
					if err != nil {
						t.Fatal(name, err)
					}
					for _, id := range Encode(nil, tok, got) {
						n += b2i(tok.IsControl(id))
					}
					return n
				}
				want := count("x")
				for _, text := range []string{all.String(), spaced.String()} {
					if n := count(text); n != want {
						t.Errorf("%s: %d control tokens, %d without those in the text", name, n, want)
					}
				}
			}
			t.Logf("%d control tokens", controls)
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// file makes a model of keys alone.
func file(t *testing.T, meta map[string]any) *loader.File {
	t.Helper()
	w := &ggufwrite.File{Meta: []ggufwrite.KV{{Key: "general.architecture", Value: "llama"}}}
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		w.Meta = append(w.Meta, ggufwrite.KV{Key: k, Value: meta[k]})
	}
	f, err := loader.FromBytes("test.gguf", w.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestChoose: the model's own template first, a built-in one by name or vocabulary,
// and never one that merely might do.
func TestChoose(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		meta       map[string]any
		name, want string // the template's name, or part of the error
	}{
		{map[string]any{"tokenizer.chat_template": "{{ messages[0].content }}", "general.name": "Qwen3 8B"}, "", "tokenizer.chat_template"},
		{map[string]any{"general.name": "Magistral Small 2509"}, "", "magistral"},
		{map[string]any{"general.name": "Qwen3 8B", "tokenizer.ggml.tokens": []string{"<|im_start|>", "<|im_end|>"}}, "", "qwen3"},
		{map[string]any{"tokenizer.ggml.tokens": []string{"a", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}}, "", "llama3"},
		{map[string]any{"tokenizer.ggml.tokens": []string{"<start_of_turn>", "<end_of_turn>"}}, "", "gemma"},
		{map[string]any{"tokenizer.ggml.tokens": []string{"<|im_start|>", "<|im_end|>"}}, "", "!no chat template"},
		{map[string]any{"general.name": "Something"}, "", `!"Something"`},
		{map[string]any{"general.name": "Something"}, "chatml", "chatml"},
		{map[string]any{}, "nope", "!nope"},
		{map[string]any{"tokenizer.chat_template": uint32(3)}, "", "!not string"},
		{map[string]any{"tokenizer.chat_template": "{% if %}"}, "", "!line 1"},
	} {
		got, err := Choose(ctx, file(t, c.meta), c.name)
		if says, bad := strings.CutPrefix(c.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, %q: error %v, which must say %q", c.meta, c.name, err, says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v, %q: %v", c.meta, c.name, err)
		} else if got.Name != c.want || got.Why == "" {
			t.Errorf("%v, %q: %s (%s), not %s", c.meta, c.name, got.Name, got.Why, c.want)
		}
	}
}

// TestCaps: what the built-in and the real templates can do.
func TestCaps(t *testing.T) {
	for name, want := range map[string]Caps{
		"magistral":         {true, true, true, true, true, true, true, true, true, true, false},
		"mistral-v7-tekken": {true, true, true, true, true, true, false, false, true, false, false},
		"llama3":            {System: true, StringContent: true},
		"chatml":            {System: true, StringContent: true},
		"gemma":             {System: true, StringContent: true},
		"plain":             {System: true, ToolResults: true, StringContent: true},
		"gpt-oss":           {System: true, StringContent: true},
		"qwen3":             {true, true, true, true, true, true, false, true, true, false, true},
	} {
		tmpl, err := ParseBuiltIn(context.Background(), name)
		if err != nil {
			t.Fatal(name, err)
		}
		if tmpl.Caps != want {
			t.Errorf("%s: %+v, not %+v", name, tmpl.Caps, want)
		}
	}
	for name, want := range map[string]Caps{
		"deepseek-v3.1": {System: true, ToolCalls: true, ParallelCalls: true, ToolResults: true, StringContent: true, StringArguments: true},
		"gemma-3":       {System: true, StringContent: true, PartsContent: true},
	} {
		source, err := os.ReadFile("../../../shared/templates/" + name + ".jinja")
		if err != nil {
			t.Skip("the real templates are not here: ", err)
		}
		tmpl, err := Parse(context.Background(), name, "a test", string(source), "<s>", "</s>")
		if err != nil {
			t.Fatal(err)
		}
		if tmpl.Caps != want {
			t.Errorf("%s: %+v, not %+v", name, tmpl.Caps, want)
		}
	}
}

// TestBuiltin: built-in templates give what the models' own give, where those are here.
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
	for name, real := range map[string]string{"qwen3": "qwen3", "gemma": "gemma-3", "gpt-oss": "gpt-oss"} {
		source, err := os.ReadFile(dir + real + ".jinja")
		if err != nil {
			t.Fatal(err)
		}
		ours, err := ParseBuiltIn(context.Background(), name)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := Parse(context.Background(), real, "a test", string(source), ours.bos, ours.eos)
		if err != nil {
			t.Fatal(err)
		}
		same := 0
		for _, raw := range all.Conversations {
			var vars [2]*jinja.Dict
			for i := range vars {
				if vars[i], err = Decode(raw); err != nil {
					t.Fatal(err)
				}
			}
			a, errA := ours.RenderVars(context.Background(), vars[0], when)
			b, errB := theirs.RenderVars(context.Background(), vars[1], when)
			id, _ := vars[0].Get("id")
			switch {
			case errA != nil: // it refuses more, and says so
			case errB != nil:
				t.Errorf("%s, %v: the model's own refuses: %v", name, id, errB)
			case a.String != b.String:
				if _, tools := vars[0].Get("tools"); tools && name != "qwen3" {
					continue // without tools, which the built-in one does not show
				}
				t.Errorf("%s, %v:\n%q, the model's own\n%q", name, id, a.String, b.String)
			default:
				same++
			}
		}
		t.Logf("%s: %d of %d the same", name, same, len(all.Conversations))
		if same < 13 {
			t.Errorf("%s: only %d conversations are as with %s", name, same, real)
		}
	}
}

// TestBOS: never twice, whoever adds it.
func TestBOS(t *testing.T) {
	f, err := loader.Open("../../testdata/tokenizer/spm.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := tokenizer.New(f)
	if err != nil {
		t.Fatal(err)
	}
	bos, ok := tok.BOS()
	if !ok {
		t.Fatal("no BOS")
	}
	s := tok.Text(bos)
	for _, text := range []string{s + "Hi", s + s + "Hi", "Hi"} {
		ids := Encode([]int32{7}, tok, jinja.Text{String: text})
		n := 0
		for _, id := range ids[1:] {
			n += b2i(id == bos)
		}
		if want := b2i(tok.AddBOS() || text != "Hi"); ids[0] != 7 || n != want {
			t.Errorf("%q: %v has BOS %d times, not %d", text, ids, n, want)
		}
	}
	tainted := Encode(nil, tok, jinja.Text{String: s, Tainted: []jinja.Span{{From: 0, To: len(s)}}})
	if n := len(tainted); n < 2 || slices.Contains(tainted[1:], bos) {
		t.Errorf("BOS in a user's text: %v", tainted)
	}
}

// TestVariables: a conversation is laid out as the template can take it.
func TestVariables(t *testing.T) {
	text, args := "hi", jinja.String(`{"b": 1, "a": [2.0]}`, true)
	object, err := jinja.Decode([]byte(args.String()), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		message Message
		caps    Caps
		want    string
	}{
		{Message{Role: "user", Text: &text}, Caps{StringContent: true}, `{"role": "user", "content": "hi"}`},
		{Message{Role: "user", Text: &text}, Caps{PartsContent: true}, `{"role": "user", "content": [{"type": "text", "text": "hi"}]}`},
		{Message{Role: "user", Parts: []Part{{Type: "text", Text: "a"}, {Type: "text", Text: "b"}}}, Caps{StringContent: true}, `{"role": "user", "content": "ab"}`},
		{Message{Role: "user", Parts: []Part{{Type: "image"}}}, Caps{StringContent: true}, "!image"},
		{Message{Role: "pilot", Text: &text}, Caps{}, "!pilot"},
		{Message{Role: "assistant", ToolCalls: []ToolCall{{"1", "f", args}}}, Caps{ObjectArguments: true},
			`{"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": [2.0]}}}]}`},
		{Message{Role: "assistant", ToolCalls: []ToolCall{{"", "f", object}}}, Caps{StringArguments: true},
			`{"role": "assistant", "content": null, "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{\"b\": 1, \"a\": [2.0]}"}}]}`},
		{Message{Role: "tool", Text: &text, ToolCallID: "1", Name: "f"}, Caps{StringContent: true}, `{"role": "tool", "content": "hi", "tool_call_id": "1", "name": "f"}`},
		{Message{Role: "assistant", Text: &text, Reasoning: "r"}, Caps{StringContent: true}, `{"role": "assistant", "content": "hi", "reasoning_content": "r", "thinking": "r"}`},
	} {
		conv := &Conversation{Messages: []Message{c.message}}
		vars, err := conv.Variables(c.caps)
		if says, bad := strings.CutPrefix(c.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%+v: error %v", c.message, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", c.message, err)
			continue
		}
		m, _ := vars.Get("messages")
		got, err := jinja.JSON(m.(*jinja.List).Items()[0])
		if err != nil || got.String() != c.want {
			t.Errorf("%s, %v, not %s", got, err, c.want)
		}
	}
}
