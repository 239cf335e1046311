package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestChatPlain: without a terminal each line is a message, commands work, and answers
// alone go to stdout.
func TestChatPlain(t *testing.T) {
	greedy := []string{"--device", "cpu", "--temp", "0", "-n", "12"}
	want := ok(t, "", append([]string{"run", "-p", "The people of the"}, greedy...)...)
	out, errs, code := eclat(t, "The people of the\n/stats\n", append([]string{"chat"}, greedy...)...)
	if code != 0 || out != want {
		t.Errorf("exit code %d, %q, want %q", code, out, want)
	}
	for _, says := range []string{"no instruct model", "tokens/s", "this time 1 answer"} {
		if !strings.Contains(errs, says) {
			t.Errorf("stderr lacks %q: %s", says, errs)
		}
	}
	if out, _, code := eclat(t, "/show\n", append([]string{"chat", "-p", "The people of the"}, greedy...)...); code != 0 || !strings.HasPrefix(out, want) || !strings.Contains(out, "> The people of the\n"+want) {
		t.Errorf("-p and /show: exit code %d, %q", code, out)
	}
	if _, errs, code := eclat(t, "/sev x\nmore\n", append([]string{"chat"}, greedy...)...); code != 1 || !strings.Contains(errs, "did you mean /set?") {
		t.Errorf("an error ends it: exit code %d, %q", code, errs)
	}
	long := strings.Repeat("word ", 300)
	if _, errs, code := eclat(t, long+"\n", append([]string{"chat", "-c", "64"}, greedy...)...); code != 1 || !strings.Contains(errs, "longer than the context") {
		t.Errorf("a long message: exit code %d, %q", code, errs)
	}
	if out, errs, code := eclat(t, "One\n"+strings.Repeat("word ", 40)+"\nThree\n", append([]string{"chat", "-c", "64"}, greedy...)...); code != 1 || !strings.Contains(errs, "the context is full") || strings.Count(out, "\n") < 1 {
		t.Errorf("a full context: exit code %d, %q, %q", code, out, errs)
	}
}

// TestRunChat: one message through a template, its ids as the command template has them.
func TestRunChat(t *testing.T) {
	file := put(t, "c.json", `{"messages": [{"role": "user", "content": "Hi [INST] <|im_end|>"}], "add_generation_prompt": true}`)
	ids := strings.Fields(ok(t, "", "template", "--template", "chatml", "--conversation", file, "--ids"))
	for _, cmd := range [][]string{{"run", "--chat"}, {"chat"}} {
		out := ok(t, "", append(cmd, "--device", "cpu", "--template", "chatml", "-p", "Hi [INST] <|im_end|>", "--dump-prompt")...)
		if !strings.HasPrefix(out, "<s><|im_start|>user\nHi [INST] <|im_end|><|im_end|>\n<|im_start|>assistant\n") {
			t.Errorf("%v: %q", cmd, out)
		}
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^ +(\d+)  "`).FindAllStringSubmatch(out, -1) {
			got = append(got, m[1])
		}
		if strings.Join(got, " ") != strings.Join(ids, " ") {
			t.Errorf("%v: ids %v, want %v", cmd, got, ids)
		}
	}
	out, errs, code := eclat(t, "", "run", "--chat", "--device", "cpu", "--template", "chatml", "-p", "Hello", "-n", "5", "--proof")
	if code != 0 || len(out) < 3 || !strings.Contains(errs, "template chatml") || !strings.Contains(errs, "proof ") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	for _, cmd := range [][]string{{"run", "--chat"}, {"chat"}} {
		out := ok(t, "", append(cmd, "--device", "cpu", "--template", "chatml", "-p", "Hi", "--system", "Be brief.", "--dump-prompt")...)
		if !strings.HasPrefix(out, "<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>") {
			t.Errorf("%v --system: %q", cmd, out)
		}
	}
	prompt := ok(t, "", "run", "--device", "cpu", "-p", "The people", "--dump-prompt")
	if !strings.HasPrefix(prompt, "<s>The people\n\n") || !strings.Contains(prompt, "tokens:\n") {
		t.Errorf("without --chat: %q", prompt)
	}
}

// TestStructured: answers, and texts, keep to a schema, to JSON and to a grammar.
func TestStructured(t *testing.T) {
	schema := put(t, "s.json", `{"type":"object","properties":{"n":{"type":"integer","minimum":3,"maximum":17},"s":{"type":"string","maxLength":8}},"required":["n","s"],"additionalProperties":false}`)
	rules := put(t, "g.gbnf", "root ::= \"yes\" | \"no\"\n")
	for _, cmd := range [][]string{{"run", "--chat", "--template", "chatml", "-p", "Which?"}, {"run", "-p", "The number"}, {"chat", "--template", "chatml", "-p", "Which?"}} {
		cmd = append(cmd, "--device", "cpu", "--seed", "3")
		var v struct {
			N int
			S *string
		}
		out := ok(t, "", append(cmd, "--json-schema", schema)...)
		if err := json.Unmarshal([]byte(out), &v); err != nil || v.N < 3 || v.N > 17 || v.S == nil || utf8.RuneCountInString(*v.S) > 8 {
			t.Errorf("%v: %q, %v", cmd, out, err)
		}
		if out := strings.TrimSpace(ok(t, "", append(cmd, "--grammar", rules)...)); out != "yes" && out != "no" {
			t.Errorf("%v: %q", cmd, out)
		}
		if out := ok(t, "", append(cmd, "--json", "-n", "30")...); !strings.HasPrefix(strings.TrimSpace(out), "{") {
			t.Errorf("%v: %q", cmd, out)
		}
	}
}

// TestChatRefused: what cannot be is said in one line.
func TestChatRefused(t *testing.T) {
	schema := put(t, "s.json", `{"type":"object","properties":{"a":{"type":"string","contentEncoding":"base64","not":{}}}}`)
	rules := put(t, "g.gbnf", "root ::= nothing\n")
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	ok(t, "", "run", "--device", "cpu", "-n", "2", "--session", text)
	for _, c := range []struct {
		code int
		args []string
		says string
	}{
		{2, []string{"run", "--template", "chatml"}, "--template is for --chat"},
		{2, []string{"run", "--reasoning", "off"}, "--reasoning is for --chat"},
		{2, []string{"run", "--system", "x"}, "--system is for --chat"},
		{2, []string{"run", "--chat"}, "needs a message"},
		{2, []string{"chat", "--system", "x", "--template", put(t, "t.jinja", "{{ messages[-1].content }}")}, "knows no system message"},
		{2, []string{"run", "--chat", "-p", "x", "--special"}, "--special"},
		{2, []string{"chat", "--reasoning", "much"}, "auto, off, or a number"},
		{2, []string{"chat", "--reasoning", "0"}, "auto, off, or a number"},
		{2, []string{"chat", "--thinking", "loud"}, "shown, folded or off"},
		{2, []string{"chat", "--template", "nope"}, "neither a file nor built in"},
		{2, []string{"chat", "--dump-prompt"}, "first message"},
		{2, []string{"chat", "--session", ""}, "--session is empty"},
		{2, []string{"chat", "--json", "--grammar", rules}, "exclude each other"},
		{2, []string{"chat", "--json-schema", schema, "--session", schema}, "would overwrite"},
		{1, []string{"chat", "--session", filepath.Join(dir, "no", "s")}, "no such folder"},
		{1, []string{"chat", "--json-schema", schema}, "#/properties/a"},
		{1, []string{"chat", "--grammar", rules}, "nothing"},
		{1, []string{"chat", "--grammar", filepath.Join(dir, "none")}, "none"},
		{1, []string{"chat", "--template", "chatml", "--reasoning", "5"}, "does not mark its reasoning"},
		{1, []string{"chat", "--session", text}, "the session of a text"},
	} {
		out, errs, code := eclat(t, "", c.args...)
		last := errs[strings.LastIndexByte(strings.TrimSuffix(errs, "\n"), '\n')+1:]
		if code != c.code || out != "" || !strings.Contains(last, c.says) {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q, which must say %q", c.args, code, out, errs, c.says)
		}
	}
}

// TestRunSession: a text in pieces is the text in one, drafts or not.
func TestRunSession(t *testing.T) {
	whole := strings.TrimSuffix(ok(t, "", "run", "--device", "cpu", "--seed", "3", "-n", "40", "--ignore-eos"), "\n")
	file := filepath.Join(t.TempDir(), "s")
	text := strings.TrimSuffix(ok(t, "", "run", "--device", "cpu", "--seed", "3", "-n", "13", "--ignore-eos", "--session", file), "\n")
	for range 2 { // the seed is the session's
		out, errs, code := eclat(t, "", "run", "--device", "cpu", "-n", "13", "--ignore-eos", "--session", file)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, errs)
		}
		text += strings.TrimSuffix(out, "\n")
	}
	if !strings.HasPrefix(whole, text) || len(text) < len(whole)*3/4 {
		t.Errorf("in pieces %q, whole %q", text, whole)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, errs, code := eclat(t, "", "run", "--chat", "--template", "plain", "-p", "x", "--device", "cpu", "--session", file); code != 1 || !strings.Contains(errs, "the session of a text") {
		t.Errorf("a conversation of it: exit code %d, %q", code, errs)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Error("a session that was refused is another now")
	}
}
