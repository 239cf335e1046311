package chat

import (
	"embed"
	"slices"
	"strings"

	"eclat/loader"
)

//go:embed builtin/*.jinja
var files embed.FS

// builtin is a built-in template. Its text lies in builtin/NAME.jinja.
type builtin struct {
	bos, eos string
	names    []string // general.name or architecture contains one of them, in small letters
	tokens   []string // or the vocabulary has all of these
	both     bool     // and, rather than or
	lacks    []string // and none of these: models made from this family have them, and talk otherwise
	file     string   // another's text, behind head
	head     string
}

// order is how built-in templates are tried: the special before the general.
var order = []string{"magistral", "mistral-v7-tekken", "llama3.1", "llama3.2", "llama3", "qwen3", "gpt-oss", "gemma", "chatml", "plain"}

var (
	llama3   = []string{"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}
	notLlama = []string{"<|im_start|>", "<｜User｜>"}
)

var builtins = map[string]*builtin{
	"magistral":         {bos: "<s>", eos: "</s>", names: []string{"magistral"}},
	"mistral-v7-tekken": {bos: "<s>", eos: "</s>", names: []string{"mistral-small-2501", "mistral-small-24b", "mistral-small-3"}, tokens: []string{"[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]", "[TOOL_CALLS]"}},
	"llama3.1":          {bos: "<|begin_of_text|>", eos: "<|eot_id|>", names: []string{"llama-3.1", "llama-3.3"}, tokens: slices.Concat(llama3, []string{"<|eom_id|>"}), both: true, lacks: notLlama, file: "llama3.2", head: "{%- set date_string = date_string if date_string is defined else '26 Jul 2024' %}\n"},
	"llama3.2":          {bos: "<|begin_of_text|>", eos: "<|eot_id|>", tokens: slices.Concat(llama3, []string{"<|eom_id|>"}), lacks: notLlama},
	"llama3":            {bos: "<|begin_of_text|>", eos: "<|eot_id|>", tokens: llama3, lacks: notLlama},
	"qwen3":             {eos: "<|im_end|>", names: []string{"qwen3"}},
	"gpt-oss":           {eos: "<|return|>", names: []string{"gpt-oss"}, tokens: []string{"<|start|>", "<|message|>", "<|channel|>"}},
	"gemma":             {bos: "<bos>", eos: "<eos>", tokens: []string{"<start_of_turn>", "<end_of_turn>"}},
	"chatml":            {eos: "<|im_end|>", names: []string{"chatml"}}, // tokens alone do not say so: many families have them
	"plain":             {},                                             // for models that go on with a text; none is taken for one
}

// Names are the names of the built-in templates.
func Names() string { return strings.Join(order, ", ") }

// source is the text of a built-in template.
func source(name string) string {
	b := builtins[name]
	text, _ := files.ReadFile("builtin/" + or(b.file, name) + ".jinja")
	return b.head + string(text)
}

// recognise names the built-in template of a model and why it is, "" for none.
func recognise(f *loader.File) (name, why string) {
	title := ""
	for _, key := range []string{"general.name", "general.basename", "general.architecture"} {
		if v, ok := f.Get(key); ok {
			s, _ := v.Str()
			title += strings.ToLower(strings.ReplaceAll(s, " ", "-")) + " "
		}
	}
	tokens := vocabulary(f)
	for _, name := range order {
		b := builtins[name]
		called, has := "", "since the vocabulary has "+strings.Join(b.tokens, " ")
		for _, n := range b.names {
			if called == "" && strings.Contains(title, n) {
				called = "since the model is called " + n
			}
		}
		if len(b.tokens) == 0 || slices.ContainsFunc(b.tokens, func(t string) bool { return !slices.Contains(tokens, t) }) {
			has = ""
		}
		switch {
		case slices.ContainsFunc(b.lacks, func(t string) bool { return slices.Contains(tokens, t) }):
		case called != "" && (has != "" || !b.both):
			return name, called
		case has != "" && !b.both:
			return name, has
		}
	}
	return "", ""
}
