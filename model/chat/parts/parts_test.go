package parts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/model/tokenizer"
)

// vocab has a token for each byte, and some of more bytes: markers that stand for
// nothing (control) or for their text, and words.
type vocab struct {
	texts   []string // from id 256 on
	control map[string]bool
	words   map[string]bool // no markers: ID does not know them
}

func (v *vocab) ID(text string) (int32, bool) {
	i := slices.Index(v.texts, text)
	return int32(256 + i), i >= 0 && !v.words[text]
}

func (v *vocab) Append(dst []byte, id int32, special bool) []byte {
	switch {
	case id < 0 || int(id) >= 256+len(v.texts):
		return dst
	case id < 256:
		return append(dst, byte(id))
	case v.control[v.texts[id-256]] && !special:
		return dst
	}
	return append(dst, v.texts[id-256]...)
}

// encode takes the longest token wherever there is one. Text after \x00 is spelt in
// bytes, up to the next one.
func (v *vocab) encode(text string) (ids []int32) {
	spelt := false
	for len(text) > 0 {
		if text[0] == 0 {
			spelt, text = !spelt, text[1:]
			continue
		}
		best := ""
		for _, t := range v.texts {
			if !spelt && strings.HasPrefix(text, t) && len(t) > len(best) {
				best = t
			}
		}
		if best == "" {
			ids, text = append(ids, int32(text[0])), text[1:]
			continue
		}
		ids, text = append(ids, int32(256+slices.Index(v.texts, best))), text[len(best):]
	}
	return ids
}

func control(markers ...string) *vocab {
	v := &vocab{texts: append([]string{"<|other|>"}, markers...), control: map[string]bool{}, words: map[string]bool{}}
	for _, m := range v.texts {
		v.control[m] = true
	}
	for _, w := range []string{"{\"", "\": ", "</", "日本", "日本"[:4], "<t", "call>", "[AR", "\n\n", "think>\n"} {
		v.texts = append(v.texts, w)
		v.words[w] = true
	}
	return v
}

// user makes markers tokens whose text is shown, as user-defined ones are.
func user(markers ...string) *vocab {
	v := control(markers...)
	for _, m := range markers {
		delete(v.control, m)
	}
	return v
}

var (
	tekken  = control("[THINK]", "[/THINK]", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
	gptOSS  = user("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>", "<|end|>", "<|return|>", "<|call|>")
	qwen    = user("<think>", "</think>", "<tool_call>", "</tool_call>")
	llama   = control("<|python_tag|>", "<|eom_id|>")
	plain   = control()
	formats = map[string]*Format{
		"mistral":  FormatOf("[THINK] [TOOL_CALLS] [ARGS]", plain),
		"harmony":  FormatOf("<|channel|> <|message|>", plain),
		"qwen":     FormatOf("<think> <tool_call> arguments", plain),
		"llama":    FormatOf(`ipython "parameters"`, plain),
		"deepseek": FormatOf("<think> <｜tool▁call▁begin｜> <｜tool▁sep｜>", plain),
		"r1-llama": FormatOf(`<think> ipython "parameters"`, plain),
		"plain":    FormatOf("no markers", plain),
	}
)

// show is parts as text: r(…) a(…) name#id(…) and name?(…) for a call that did not end.
func show(p Parts) string {
	var b strings.Builder
	for _, part := range p {
		switch {
		case part.Kind == Reasoning:
			fmt.Fprintf(&b, "r(%s)", part.Text)
		case part.Kind == Answer:
			fmt.Fprintf(&b, "a(%s)", part.Text)
		default:
			b.WriteString(part.Name)
			if part.ID != "" {
				b.WriteString("#" + part.ID)
			}
			if !part.Whole {
				b.WriteString("?")
			}
			fmt.Fprintf(&b, "(%s)", part.Arguments)
		}
	}
	return b.String()
}

// parse hands the tokens in, so many at a time.
func parse(f *Format, v Vocabulary, o Options, ids []int32, n int) string {
	p := New(f, v, o)
	var got Collector
	for len(ids) > 0 {
		m := min(n, len(ids))
		for _, d := range p.Next(ids[:m]...) {
			got.Add(d)
		}
		ids = ids[m:]
	}
	for _, d := range p.End() {
		got.Add(d)
	}
	return show(got.Parts())
}

var cases = []struct {
	format  string
	v       *vocab
	options Options
	text    string
	want    string
}{
	// Plain text, and control tokens that nobody knows.
	{"plain", plain, Options{Tools: true}, "Hello <think> 日本\n", "a(Hello <think> 日本\n)"},
	{"plain", plain, Options{}, "a<|other|>b", "a(ab)"},
	{"plain", plain, Options{}, "日本"[:4], "a(日\ufffd)"},

	// Mistral: control tokens.
	{"mistral", tekken, Options{Tools: true}, "[THINK]So.\n[/THINK]Yes.", "r(So.\n)a(Yes.)"},
	{"mistral", tekken, Options{Tools: true}, "[THINK]cut of", "r(cut of)"},
	{"mistral", tekken, Options{Reasoning: true}, "So.[/THINK]Yes.", "r(So.)a(Yes.)"},
	{"mistral", tekken, Options{Tools: true}, "a[/THINK]b", "a(a[/THINK]b)"},
	{"mistral", tekken, Options{Tools: true}, "\x00[THINK]\x00 is text", "a([THINK] is text)"},
	{"mistral", tekken, Options{Tools: true}, "[THINK]a \x00[/THINK]\x00 b[/THINK]c", "r(a [/THINK] b)a(c)"},
	{"mistral", tekken, Options{Tools: true}, `[TOOL_CALLS]get_weather[ARGS]{"city": "日本"}`, `get_weather({"city": "日本"})`},
	{"mistral", tekken, Options{Tools: true}, `Well.[TOOL_CALLS]f[ARGS]{"a":{"b":[1,2]}}[TOOL_CALLS]g[CALL_ID]x12[ARGS] {} `, `a(Well.)f({"a":{"b":[1,2]}})g#x12({})`},
	{"mistral", tekken, Options{Tools: true}, `[THINK]t[TOOL_CALLS]f[ARGS]{}`, `r(t)f({})`},
	{"mistral", tekken, Options{Tools: true}, `[TOOL_CALLS]f[ARGS]{}and so on`, `f({})a(and so on)`},
	{"mistral", tekken, Options{Tools: true}, `[TOOL_CALLS]f[ARGS]{"a": tru}!`, `a([TOOL_CALLS]f[ARGS]{"a": tru}!)`},
	{"mistral", tekken, Options{Tools: true}, `x[TOOL_CALLS]f[ARGS]{"a": 1`, `a(x[TOOL_CALLS]f[ARGS]{"a": 1)`},
	{"mistral", tekken, Options{Tools: true}, `[TOOL_CALLS]f[ARGS]{"a": 1[TOOL_CALLS]g[ARGS]{}`, `a([TOOL_CALLS]f[ARGS]{"a": 1)g({})`},
	{"mistral", tekken, Options{Tools: true}, `[TOOL_CALLS]f[ARGS][1]`, `a([TOOL_CALLS]f[ARGS][1])`},
	{"mistral", tekken, Options{Tools: true}, `[TOOL_CALLS][ARGS]{}`, `a([TOOL_CALLS][ARGS]{})`},
	{"mistral", tekken, Options{Tools: true}, `[TOOL_CALLS]f g[ARGS]{}`, `a([TOOL_CALLS]f g[ARGS]{})`},
	{"mistral", tekken, Options{Tools: true}, `[TOOL_CALLS]cut_of`, `a([TOOL_CALLS]cut_of)`},
	{"mistral", tekken, Options{Tools: true}, `[TOOL_CALLS]f[THINK]x[/THINK]y`, `a([TOOL_CALLS]f)r(x)a(y)`},
	{"mistral", tekken, Options{Tools: true}, `[ARGS]a[CALL_ID]`, `a([ARGS]a[CALL_ID])`},
	{"mistral", tekken, Options{}, `[TOOL_CALLS]f[ARGS]{}`, `a(f{})`},
	// The same where no marker is a token.
	{"mistral", plain, Options{Tools: true}, "[THINK]So.[/THINK]Yes.[TOOL_CALLS]f[CALL_ID]7[ARGS]{\"a\": \"[ARGS]\"} [TOOL_CALLS]g[ARGS]{}", `r(So.)a(Yes.)f#7({"a": "[ARGS]"})g({})`},
	{"mistral", plain, Options{Tools: true}, "[THI", "a([THI)"},
	{"mistral", plain, Options{Tools: true}, "[TOOL_CALLS]f[AR[TOOL_CALLS]g[ARGS]{}", "a([TOOL_CALLS]f[AR)g({})"},
	{"mistral", plain, Options{Tools: true}, "[TOOL_CALLS]f[AR", "a([TOOL_CALLS]f[AR)"},

	// Some are tokens, others are not: what was held back comes before a token.
	{"mistral", control("[TOOL_CALLS]", "[ARGS]"), Options{Tools: true}, "a[THI[TOOL_CALLS]f[ARGS]{}", `a(a[THI)f({})`},
	{"mistral", control("[TOOL_CALLS]"), Options{Tools: true}, "日"[:2] + "[TOOL_CALLS]f[AR[TOOL_CALLS]g[ARGS]{}", "a(\ufffd[TOOL_CALLS]f[AR)g({})"},

	// <think> and <tool_call>.
	{"qwen", qwen, Options{Tools: true}, "<think>\nSo.\n\nAnd.\n</think>\n\nYes.\n", "r(So.\n\nAnd.)a(Yes.\n)"},
	{"qwen", plain, Options{Tools: true}, "<think>\nSo.\n\nAnd.\n</think>\n\nYes.\n", "r(So.\n\nAnd.)a(Yes.\n)"},
	{"qwen", plain, Options{Reasoning: true}, "\nSo. </thin\n</think>Yes.", "r(So. </thin)a(Yes.)"},
	{"qwen", qwen, Options{Tools: true}, "<think>\n\n</think>\n\nYes.", "a(Yes.)"},
	{"qwen", qwen, Options{Tools: true}, "<think>cut of\n", "r(cut of\n)"},
	{"qwen", qwen, Options{Tools: true}, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"</x> }\\\"\"}}\n</tool_call>", `f({"a": "</x> }\""})`},
	{"qwen", qwen, Options{Tools: true}, "<think>t</think>\n\n<tool_call>\n{\"name\":\"f\",\"arguments\":{}}\n</tool_call>\n<tool_call>\n{\"arguments\": {\"n\": -1.5e3}, \"name\": \"g\"}\n</tool_call>\nDone.", `r(t)f({})g({"n": -1.5e3})a(Done.)`},
	{"qwen", plain, Options{Tools: true}, "Well.\n<tool_call>{\"id\": [1, {\"name\": 2}], \"name\": \"f\", \"x\": \"</tool_call>\", \"arguments\" : {\"日本\": null} }</tool_call>", "a(Well.\n)f({\"日本\": null})"},
	{"qwen", qwen, Options{Tools: true}, "<tool_call>{\"name\": \"f\", \"arguments\": {}}", `f({})`},
	{"qwen", qwen, Options{Tools: true}, "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call></tool_call>", `f({})a(</tool_call>)`},
	{"qwen", qwen, Options{Tools: true}, "<tool_call>{\"name\": \"f\", \"arguments\": {}</tool_call>x", `a(<tool_call>{"name": "f", "arguments": {}</tool_call>x)`},
	{"qwen", qwen, Options{Tools: true}, "<tool_call>{\"name\": \"f\"}</tool_call>", `a(<tool_call>{"name": "f"}</tool_call>)`},
	{"qwen", qwen, Options{Tools: true}, "<tool_call>{\"name\": \"f\", \"arguments\": \"{}\"}</tool_call>", `a(<tool_call>{"name": "f", "arguments": "{}"}</tool_call>)`},
	{"qwen", qwen, Options{Tools: true}, "<tool_call>{\"name\": \"f\", \"name\": \"g\", \"arguments\": {}}", `a(<tool_call>{"name": "f", "name": "g", "arguments": {}})`},
	{"qwen", qwen, Options{Tools: true}, "<tool_call>{\"name\": \"f\", \"arguments\": {}, \"parameters\": {}}", `a(<tool_call>{"name": "f", "arguments": {}, "parameters": {}})`},
	{"qwen", qwen, Options{Tools: true}, "<tool_call>{\"name\": \"f f\", \"arguments\": {}}", `a(<tool_call>{"name": "f f", "arguments": {}})`},
	{"qwen", qwen, Options{Tools: true}, "<tool_call>\n<function=f>\n</function>\n</tool_call>", "a(<tool_call>\n<function=f>\n</function>\n</tool_call>)"},
	{"qwen", qwen, Options{Tools: true}, "<tool_call>{\"n\\u0061me\": \"\\u0066\", \"arguments\": {}}", `f({})`},
	{"qwen", qwen, Options{}, "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>", `a(<tool_call>{"name": "f", "arguments": {}}</tool_call>)`},
	{"qwen", qwen, Options{Tools: true}, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"<think>\"}}", `f({"a": "<think>"})`},

	// gpt-oss.
	{"harmony", gptOSS, Options{Tools: true}, "<|channel|>analysis<|message|>So.<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>", "r(So.)a(Yes.)"},
	{"harmony", gptOSS, Options{Tools: true}, "<|channel|>commentary<|message|>First.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\":\"日本\"}<|call|>", `a(First.)get_weather({"city":"日本"})`},
	{"harmony", gptOSS, Options{Tools: true}, " to=functions.f<|channel|>commentary json<|message|> {}<|call|>", `f({})`},
	{"harmony", gptOSS, Options{Tools: true}, "<|start|>assistant to=f<|channel|>commentary<|message|>{}", `f({})`},
	{"harmony", gptOSS, Options{Tools: true}, "<|channel|>analysis<|message|>So.<|start|>assistant<|channel|>final<|message|>Yes", "r(So.)a(Yes)"},
	{"harmony", gptOSS, Options{Tools: true}, "<|channel|>analysis<|message|>So.<|channel|>final<|message|>Yes", "r(So.)a(Yes)"},
	{"harmony", gptOSS, Options{Tools: true}, "Hello.", "a(Hello.)"},
	{"harmony", gptOSS, Options{Tools: true}, " Hello, and assistant.", "a( Hello, and assistant.)"},
	{"harmony", gptOSS, Options{Tools: true}, "<|channel|>analysis<|message|>So.<|end|><|start|>assist", "r(So.)"},
	{"harmony", gptOSS, Options{Tools: true}, "<|channel|>final<|message|>a\x00<|end|>\x00b", "a(a<|end|>b)"},
	{"harmony", gptOSS, Options{Tools: true}, "<|channel|>commentary to=functions.f<|message|>{\"a\":<|call|>", `a(<|channel|>commentary to=functions.f<|message|>{"a":<|call|>)`},
	{"harmony", gptOSS, Options{Tools: true}, "<|channel|>analysis to=python<|message|>print(1)<|call|>", `a(<|channel|>analysis to=python<|message|>print(1)<|call|>)`},
	{"harmony", gptOSS, Options{Tools: true}, "<|channel|>commentary to=functions.f(x)<|message|>{}", `a(<|channel|>commentary to=functions.f(x)<|message|>{})`},
	{"harmony", gptOSS, Options{}, "<|channel|>commentary to=functions.f<|message|>{}<|call|>", `a({}<|call|>)`},
	{"harmony", gptOSS, Options{Tools: true}, "<|channel|>日<|message|>x", `a(<|channel|>日<|message|>x)`},

	// Llama 3: an answer that is a call and nothing else.
	{"llama", llama, Options{Tools: true}, "{\"name\": \"f\", \"parameters\": {\"a\": \"b\"}}", `f({"a": "b"})`},
	{"llama", llama, Options{Tools: true}, "\n {\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}", `f({})g({})`},
	{"llama", llama, Options{Tools: true}, "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}<|eom_id|>", `f({})`},
	{"llama", llama, Options{Tools: true}, "<|python_tag|>brave.call(q=\"x\")", `a(<|python_tag|>brave.call(q="x"))`},
	{"llama", llama, Options{Tools: true}, "{\"city\": \"Rome\"}", `a({"city": "Rome"})`},
	{"llama", llama, Options{Tools: true}, "{\"name\": \"Rome\"}", `a({"name": "Rome"})`},
	{"llama", llama, Options{Tools: true}, "{\"name\": \"Rome\", \"parameters\": {}, \"size\": 1} x", `a({"name": "Rome", "parameters": {}, "size": 1} x)`},
	{"llama", llama, Options{Tools: true}, "Yes: {\"name\": \"f\", \"parameters\": {}}", `a(Yes: {"name": "f", "parameters": {}})`},
	{"llama", llama, Options{}, "{\"name\": \"f\", \"parameters\": {}}", `a({"name": "f", "parameters": {}})`},
	{"llama", llama, Options{Tools: true}, " ", ``},
	{"r1-llama", user("<think>", "</think>"), Options{Tools: true}, "<think>t</think>\n{\"name\": \"f\", \"parameters\": {}}", `r(t)f({})`},
	{"r1-llama", user("<think>", "</think>"), Options{Tools: true}, "</think>{\"name\": \"f\", \"parameters\": {}}", `a(</think>{"name": "f", "parameters": {}})`},

	{"deepseek", plain, Options{Tools: true, Reasoning: true}, "So.</think>I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\":1}<｜tool▁call▁end｜><｜tool▁call▁begin｜>g<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", `r(So.)a(I look.)f({"a":1})g({})`},
}

func TestParts(t *testing.T) {
	for _, c := range cases {
		ids := c.v.encode(c.text)
		for _, n := range []int{1, 2, 3, 1000} {
			if got := parse(formats[c.format], c.v, c.options, ids, n); got != c.want {
				t.Errorf("%s, %q, %d at a time:\n got %s\nwant %s", c.format, c.text, n, got, c.want)
			}
		}
	}
}

// TestDeltas: text and arguments are told as they come, a call before its arguments; what
// may be a marker, a character or the format's white space waits.
func TestDeltas(t *testing.T) {
	for _, c := range []struct {
		format string
		v      *vocab
		steps  [][2]string // text, and the deltas told for it
	}{
		{"mistral", tekken, [][2]string{{"[THINK]", ""}, {"So", "1:So"}, {"[/THINK]", ""}, {"日本"[:4], "0:日"}, {"日本"[4:], "0:本"},
			{"[TOOL_CALLS]f", ""}, {"[ARGS]", ""}, {"{", "2:f 3:{"}, {"\"a\": \"" + "日本"[:1], "3:\"a\": \""}, {"日本"[1:] + "\"", "3:日本\""}, {"}", "3:} 4:"}, {"\n", ""}}},
		{"qwen", plain, [][2]string{{"<th", ""}, {"ink>\n", ""}, {"So\n", "1:So"}, {"\n", ""}, {"more", "1:\n\nmore"}, {"\n</think>\n", ""}, {"x <", "0:x "}, {"tool_call>", ""},
			{"\n{\"name\"", ""}, {": \"g\", ", ""}, {"\"arguments\": ", ""}, {"{\"b\"", "2:g 3:{\"b\""}, {": 1}", "3:: 1}"}, {"}", "4:"}}},
		{"harmony", gptOSS, [][2]string{{" ", ""}, {"Hi", "0: Hi"}}},
		{"harmony", gptOSS, [][2]string{{"<|channel|>final", ""}, {"<|message|>", ""}, {"Hi", "0:Hi"}}},
		{"qwen", plain, [][2]string{{"<tool_call>{\"arguments\": {\"b\": 1},", ""}, {" \"name\": \"g\"", "2:g 3:{\"b\": 1}"}, {", x", "5:<tool_call>{\"arguments\": {\"b\": 1}, \"name\": \"g\",  0:x"}}},
	} {
		p := New(formats[c.format], c.v, Options{Tools: true})
		for _, step := range c.steps {
			var told []string
			for _, d := range p.Next(c.v.encode(step[0])...) {
				told = append(told, fmt.Sprintf("%d:%s%s", d.Kind, d.Name, d.Text))
			}
			if got := strings.Join(told, " "); got != step[1] {
				t.Errorf("%s, after %q: %q, want %q", c.format, step[0], got, step[1])
			}
		}
	}
}

// TestFormats: which format a template asks for, and the vocabulary where there is none.
func TestFormats(t *testing.T) {
	for _, c := range []struct {
		template string
		v        *vocab
		name     string
	}{
		{"[THINK]", plain, "[THINK]"}, {"<think>x", plain, "<think>"}, {"[THINK][TOOL_CALLS]x[ARGS]", plain, "[THINK] and [TOOL_CALLS]"},
		{"<|channel|><|message|><think>", plain, "harmony"}, {"{{ messages }}", tekken, ""},
		{"", tekken, "[THINK] and [TOOL_CALLS]"}, {"", qwen, "<think> and <tool_call>"}, {"", gptOSS, "harmony"}, {"", llama, "Llama 3 JSON"}, {"", plain, ""},
	} {
		if got := FormatOf(c.template, c.v); got.Name != c.name {
			t.Errorf("template %q: %q, want %q", c.template, got.Name, c.name)
		}
	}
	f := formats["qwen"]
	for prompt, want := range map[string]bool{"x<think>\n": true, "<think>": true, "<think>\n\n</think>\n\n": false, "": false, "<think> x": false} {
		if f.Opened(prompt) != want {
			t.Errorf("%q opens the reasoning: %v", prompt, !want)
		}
	}
}

// TestCollector: a call that is revoked is text, with the text before and after it.
func TestCollector(t *testing.T) {
	var c Collector
	for i, d := range []Delta{
		{Kind: Answer, Text: "a"}, {Kind: Call, Name: "f"}, {Kind: Arguments, Text: "{"}, {Kind: Revoked, Text: "{x"}, {Kind: Answer, Text: "b"},
		{Kind: Call, Index: 1, Name: "g", ID: "7"}, {Kind: Arguments, Index: 1, Text: "{"}, {Kind: Arguments, Index: 1, Text: "}"}, {Kind: CallEnd, Index: 1},
		{Kind: Call, Index: 2, Name: "h"}, {Kind: Revoked, Index: 2, Text: "h"},
	} {
		if c.Add(d); i%2 == 0 {
			c.Parts()
		}
	}
	got := c.Parts()
	if want := "a(a{xb)g#7({})a(h)"; show(got) != want || got.Text(Answer) != "a{xbh" || len(got.Calls()) != 1 {
		t.Errorf("%s, want %s", show(got), want)
	}
}

// TestRealVocabulary: Tekken as it was before Magistral, where [TOOL_CALLS] is a token and
// [THINK] is not.
func TestRealVocabulary(t *testing.T) {
	file, err := loader.Open(shared + "vocab/tekken.gguf")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no " + shared + "vocab/tekken.gguf, the vocabulary of a real model")
	} else if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	v, err := tokenizer.New(file)
	if err != nil {
		t.Fatal(err)
	}
	const text = "[THINK]Das Wetter in München, 日本.[/THINK]Ich sehe nach.[TOOL_CALLS]get_weather[ARGS]{\"city\": \"München\", \"days\": [1, 2]}"
	want := "r(Das Wetter in München, 日本.)a(Ich sehe nach.)get_weather({\"city\": \"München\", \"days\": [1, 2]})"
	f := formats["mistral"]
	ids := v.Encode(nil, text, true)
	for _, n := range []int{1, 5, 1000} {
		if got := parse(f, v, Options{Tools: true}, ids, n); got != want {
			t.Errorf("%s: %s, want %s", f.Name, got, want)
		}
	}
	// What merely spells a token out is text, and no format knows of what there is not.
	if f = FormatOf("", v); f.Name != "[TOOL_CALLS]" {
		t.Errorf("the format is %q", f.Name)
	}
	if got := parse(f, v, Options{Tools: true}, v.Encode(nil, text, false), 1); got != "a("+text+")" {
		t.Errorf("spelt out: %s", got)
	}
}

// TestRealTemplates: the formats of real models.
func TestRealTemplates(t *testing.T) {
	for name, want := range map[string]string{
		"ministral-3-reasoning": "[THINK] and [TOOL_CALLS]", "llama-3.2": "Llama 3 JSON", "qwen3": "<think> and <tool_call>", "gpt-oss": "harmony",
		"deepseek-v3.1": "<think> and DeepSeek", "granite-4.0": "<tool_call>", "gemma-3": "", "phi-4-mini": "",
	} {
		text, err := os.ReadFile(shared + "templates/" + name + ".jinja")
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("no " + shared + "templates, those of real models")
		} else if err != nil {
			t.Fatal(err)
		}
		if got := FormatOf(string(text), plain); got.Name != want {
			t.Errorf("%s: %q, want %q", name, got.Name, want)
		}
	}
}

// shared holds what is too large for the repository.
const shared = "../../../../shared/"

// words returns a text without its white space.
func words(s string) string { return strings.Join(strings.Fields(s), "") }

// FuzzParts: any tokens, handed in in any pieces, give the same parts; these hold all
// that is no markup; every whole call has sound arguments.
func FuzzParts(f *testing.F) {
	names := []string{"mistral", "qwen", "harmony", "llama", "deepseek"}
	vocabs := []*vocab{tekken, qwen, gptOSS, llama, plain}
	for i, c := range cases {
		f.Add(byte(slices.Index(names, c.format)), byte(slices.Index(vocabs, c.v)), c.options.Tools, c.options.Reasoning, []byte(strings.ReplaceAll(c.text, "\x00", "")), uint64(i*7919))
	}
	f.Fuzz(func(t *testing.T, format, v byte, tools, reasoning bool, text []byte, cuts uint64) {
		voc, o := vocabs[int(v)%len(vocabs)], Options{tools, reasoning}
		ff := formats[names[int(format)%len(names)]]
		ids := voc.encode(string(text))
		want := parse(ff, voc, o, ids, 1)
		p := New(ff, voc, o)
		var sum Collector
		for rest, i := ids, 0; len(rest) > 0; i++ {
			n := min(len(rest), 1+int(cuts>>(i%21*3)&7))
			for _, d := range p.Next(rest[:n]...) {
				sum.Add(d)
			}
			rest = rest[n:]
		}
		for _, d := range p.End() {
			sum.Add(d)
		}
		got := sum.Parts()
		if show(got) != want {
			t.Fatalf("%s, %q: in pieces %s, one by one %s", ff.Name, text, show(got), want)
		}
		for i, part := range got {
			if part.Kind == Call && !part.Whole {
				t.Errorf("%q: a call that did not end: %s", text, want)
			}
			if begins, whole := sound(part.Arguments); part.Kind == Call && !(begins && whole && strings.HasPrefix(part.Arguments, "{") && part.Name != "") {
				t.Errorf("%q: call %s", text, want)
			}
			if i > 0 && part.Kind != Call && got[i-1].Kind == part.Kind {
				t.Errorf("%q: neighbours of one kind: %s", text, want)
			}
		}
		// Without a call, all text is there but for markers and white space.
		if len(got.Calls()) > 0 || strings.Contains(want, "\ufffd") {
			return
		}
		var all []byte
		for _, id := range ids {
			all = voc.Append(all, id, false)
		}
		left, told := words(string(all)), words(got.Text(Reasoning)+got.Text(Answer))
		if ff == formats["harmony"] || strings.ContainsFunc(left, func(r rune) bool { return r == '\ufffd' }) {
			return // headers
		}
		for _, r := range ff.rules {
			left, told = strings.ReplaceAll(left, r.marker, ""), strings.ReplaceAll(told, r.marker, "")
		}
		if ff.bare {
			left, told = strings.ReplaceAll(left, ";", ""), strings.ReplaceAll(told, ";", "")
		}
		if len(left) != len(told) {
			t.Errorf("%s, %q: lost or found text: %s", ff.Name, text, want)
		}
	})
}
