package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader/ggufwrite"
)

// TestTemplate: a conversation rendered, the same clock for everybody, and refusals.
func TestTemplate(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1767323045")
	greet := put(t, "greet.jinja", "{{ strftime_now('%d %b %Y') }}: {% for m in messages %}{{ m.role }}={{ m.content }};{% endfor %}{{ tools | tojson if tools }}")
	chat := put(t, "chat.json", `{"messages": [{"role": "user", "content": "<|im_start|> é \u001b"}], "tools": [{"z": 1, "a": 2.0}]}`)
	refuses := put(t, "refuses.jinja", "{{ raise_exception('not \x1b today') }}")
	broken := func(name string) string {
		w := ggufwrite.File{}
		w.Set("general.architecture", "llama")
		w.Set("general.name", name)
		w.Set("tokenizer.chat_template", "{{ messages[0].content }}\n{% if \x1b %}")
		path := filepath.Join(t.TempDir(), "broken.gguf")
		if err := w.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	hi := put(t, "hi.json", `{"messages": [{"role": "user", "content": "Hi"}]}`)
	for _, c := range []struct {
		args []string
		out  string
		code int
		says string
	}{
		// A model's own template that fails: that of its family stands in, or none.
		{[]string{broken("Qwen3 8B"), "--conversation", hi}, "<|im_start|>user\nHi<|im_end|>\n", 0, "the built-in one for qwen3 is used"},
		{[]string{broken("Qwen3 8B"), "--conversation", hi}, "<|im_start|>user\nHi<|im_end|>\n", 0, "line 2"},
		{[]string{broken("Quelle 8B"), "--conversation", hi}, "", 1, "no built-in one is known to fit"},
		{[]string{broken("Quelle 8B"), "--conversation", hi, "--template", "chatml"}, "<|im_start|>user\nHi<|im_end|>\n", 0, ""},
		{[]string{"--template", greet, "--conversation", chat, "--text"}, "02 Jan 2026: user=<|im_start|> é \x1b;[{\"z\": 1, \"a\": 2.0}]", 0, ""},
		{[]string{"--template", greet, "--conversation", chat}, "02 Jan 2026: user=<|im_start|> é \x1b;[{\"z\": 1, \"a\": 2.0}]", 0, ""},
		{[]string{"--template", "chatml", "--conversation", chat}, "<|im_start|>user\n<|im_start|> é \x1b<|im_end|>\n", 0, ""},
		{[]string{"--template", refuses, "--conversation", chat}, "", 1, `not \x1b today`},
		{[]string{"--template", "nope", "--conversation", chat}, "", 2, "magistral"},
		{[]string{"--template", greet, "--conversation", greet}, "", 1, "bad JSON"},
		{[]string{"--template", greet, "--conversation", "none.json"}, "", 1, "none.json"},
		{[]string{"--text"}, "", 2, "--conversation"},
		{[]string{"--text", "--ids", "--conversation", chat}, "", 2, "exclude"},
		{[]string{"--template", "", "--conversation", chat}, "", 2, "--template is empty"},
		{[]string{"--conversation", chat}, "<s>[AVAILABLE_TOOLS][{\"z\": 1, \"a\": 2.0}][/AVAILABLE_TOOLS][INST]<|im_start|> é \x1b[/INST]", 0, "mistral-v7-tekken"}, // and says so
	} {
		got, errs, code := eclat(t, "", append([]string{"template"}, c.args...)...)
		if code != c.code || got != c.out || !strings.Contains(errs, c.says) || strings.Contains(errs, "\x1b") {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q, which must say %q", c.args, code, got, errs, c.says)
		}
	}
	if got, _, code := eclat(t, "", "template", "--template", "qwen3"); code != 0 || !strings.Contains(got, "parallel calls") || !strings.Contains(got, "<|im_start|>") {
		t.Errorf("exit code %d, stdout %q", code, got)
	}
	ids, errs, code := eclat(t, "", "template", "--template", "chatml", "--conversation", chat, "--ids")
	if code != 0 || len(strings.Fields(ids)) < 10 {
		t.Errorf("exit code %d, ids %q, stderr %q", code, ids, errs)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "soon")
	if _, errs, code := eclat(t, "", "template", "--template", greet, "--conversation", chat); code != 2 || !strings.Contains(errs, "SOURCE_DATE_EPOCH") {
		t.Errorf("exit code %d, stderr %q", code, errs)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "")
	long := filepath.Join(t.TempDir(), "long.json")
	f, err := os.Create(long)
	if err != nil {
		t.Fatal(err)
	}
	f.Truncate(maxText + 1)
	f.Close()
	if _, errs, code := eclat(t, "", "template", "--template", "chatml", "--conversation", long); code != 1 || !strings.Contains(errs, "longer than") {
		t.Errorf("exit code %d, stderr %q", code, errs)
	}
}
