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
}

// order is how built-in templates are tried: the special before the general.
var order = []string{"magistral", "mistral-v7-tekken", "llama3", "qwen3", "gpt-oss", "gemma", "chatml", "plain"}

var builtins = map[string]*builtin{
	"magistral":         {bos: "<s>", eos: "</s>", names: []string{"magistral"}},
	"mistral-v7-tekken": {bos: "<s>", eos: "</s>", names: []string{"mistral-small-2501", "mistral-small-24b", "mistral-small-3"}, tokens: []string{"[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]", "[TOOL_CALLS]"}},
	"llama3":            {bos: "<|begin_of_text|>", eos: "<|eot_id|>", tokens: []string{"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}},
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
	text, _ := files.ReadFile("builtin/" + name + ".jinja")
	return string(text)
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
		for _, n := range b.names {
			if strings.Contains(title, n) {
				return name, "since the model is called " + n
			}
		}
		if len(b.tokens) > 0 && !slices.ContainsFunc(b.tokens, func(t string) bool { return !slices.Contains(tokens, t) }) {
			return name, "since the vocabulary has " + strings.Join(b.tokens, " ")
		}
	}
	return "", ""
}
