package chat

import (
	"context"
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
		{map[string]any{"tokenizer.ggml.tokens": []string{"<|eom_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}}, "", "llama3.2"},
		{map[string]any{"general.name": "Meta Llama 3.1 8B Instruct", "tokenizer.ggml.tokens": []string{"<|eom_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}}, "", "llama3.1"},
		{map[string]any{"general.name": "Meta Llama 3.1 8B Instruct"}, "", "!no chat template"},
		{map[string]any{"general.name": "Hermes 3 Llama 3.1 8B", "tokenizer.ggml.tokens": []string{"<|im_start|>", "<|eom_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}}, "", "!no chat template"},
		{map[string]any{"tokenizer.ggml.tokens": []string{"<start_of_turn>", "<end_of_turn>"}}, "", "gemma"},
		{map[string]any{"tokenizer.ggml.tokens": []string{"<|im_start|>", "<|im_end|>"}}, "", "!no chat template"},
		{map[string]any{"general.name": "Something"}, "", `!"Something"`},
		{map[string]any{"general.name": "Something"}, "chatml", "chatml"},
		{map[string]any{}, "nope", "!nope"},
		{map[string]any{"tokenizer.chat_template": uint32(3)}, "", "!not string"},
		// Its own fails: the one of the same family, else none.
		{map[string]any{"tokenizer.chat_template": "{% if %}"}, "", "!line 1"},
		{map[string]any{"tokenizer.chat_template": "{% if %}", "tokenizer.ggml.tokens": []string{"<|im_start|>", "<|im_end|>"}}, "", "!line 1"},
		{map[string]any{"tokenizer.chat_template": "{% if %}", "general.name": "Qwen3 8B"}, "", "qwen3: line 1"},
		{map[string]any{"tokenizer.chat_template": "{{ raise_exception('never') }}", "general.name": "Magistral Small"}, "", "magistral: never"},
		{map[string]any{"tokenizer.chat_template": "hello", "general.name": "Magistral Small"}, "", "magistral: does not show messages"},
		{map[string]any{"tokenizer.chat_template": "hello"}, "", "!does not show messages"},
		{map[string]any{"tokenizer.chat_template": "{% for m in messages %}{{ m.nothing.at.all }}{% endfor %}", "tokenizer.ggml.tokens": []string{"<start_of_turn>", "<end_of_turn>"}}, "", "gemma: nothing"},
		{map[string]any{"tokenizer.chat_template": uint32(3), "general.name": "Qwen3 8B"}, "", "qwen3: not string"},
		{map[string]any{"tokenizer.chat_template": "{% if %}", "general.name": "Qwen3 8B"}, "chatml", "chatml"},
	} {
		got, err := Choose(ctx, file(t, c.meta), c.name)
		if says, bad := strings.CutPrefix(c.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, %q: error %v, which must say %q", c.meta, c.name, err, says)
			}
			continue
		}
		want, fault, _ := strings.Cut(c.want, ": ")
		if err != nil {
			t.Errorf("%v, %q: %v", c.meta, c.name, err)
		} else if got.Name != want || got.Why == "" || (got.Fault == nil) != (fault == "") || fault != "" && !strings.Contains(got.Fault.Error(), fault) {
			t.Errorf("%v, %q: %s (%s; %v), not %s", c.meta, c.name, got.Name, got.Why, got.Fault, c.want)
		}
	}
}

// TestCaps: what the built-in and the real templates can do.
func TestCaps(t *testing.T) {
	for name, want := range map[string]Caps{
		"magistral":         {true, true, true, true, true, true, true, true, true, true, false},
		"mistral-v7-tekken": {true, true, true, true, true, true, false, false, true, false, false},
		"llama3.1":          {System: true, Tools: true, ToolCalls: true, ToolResults: true, StringContent: true, ObjectArguments: true},
		"llama3.2":          {System: true, Tools: true, ToolCalls: true, ToolResults: true, StringContent: true, ObjectArguments: true},
		"llama3":            {System: true, StringContent: true},
		"chatml":            {System: true, StringContent: true},
		"gemma":             {System: true, StringContent: true, PartsContent: true},
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
		"deepseek-v3.1":         {System: true, ToolCalls: true, ParallelCalls: true, ToolResults: true, StringContent: true, StringArguments: true},
		"gemma-3":               {System: true, StringContent: true, PartsContent: true},
		"ministral-3-reasoning": {System: true, Tools: true, ToolCalls: true, ParallelCalls: true, ToolResults: true, StringContent: true, PartsContent: true, StringArguments: true, ObjectArguments: true},
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
