package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"eclat/loader"
	"eclat/model/chat/jinja"
)

// ErrNoTemplate says that no template is known for a model.
var ErrNoTemplate = errors.New("no chat template")

// Template is a chat template and where it comes from.
type Template struct {
	Name   string // tokenizer.chat_template, a built-in one's name, or a file's
	Why    string // one line: why this one
	Source string
	Caps   Caps
	Fault  error // what is wrong with the model's own, which this one stands in for; nil: nothing

	t        *jinja.Template
	bos, eos string // the texts of the model's tokens; "": none known
}

// Parse makes a template of a source and finds out what it can do. bos and eos are the
// texts of the model's tokens, which a template may ask for.
func Parse(ctx context.Context, name, why, source, bos, eos string) (*Template, error) {
	t, err := jinja.Parse(source, jinja.Limits{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := &Template{Name: name, Why: why, Source: source, t: t, bos: bos, eos: eos}
	c.Caps, err = c.probe(ctx)
	return c, err
}

// Choose takes the template for a model: the one in its file, else a built-in one that
// the model's name or vocabulary calls for, else none (ErrNoTemplate). Where the file's own
// does not parse, or shows no message, the built-in one of the same family stands in for
// it, with a Fault; where none is known to be that, the error is returned. With a name Choose
// takes the built-in one of that name.
func Choose(ctx context.Context, f *loader.File, name string) (*Template, error) {
	bos, eos := Ends(f)
	if name != "" {
		b, ok := builtins[name]
		if !ok {
			return nil, fmt.Errorf("%w is built in by the name %.60q; there are %s", ErrNoTemplate, name, Names())
		}
		return Parse(ctx, name, "built in, asked for", source(name), or(bos, b.bos), or(eos, b.eos))
	}
	own, fault := ownTemplate(ctx, f, bos, eos)
	if own != nil || ctx.Err() != nil {
		return own, fault
	}
	name, why := recognise(f)
	switch {
	case name == "" && fault != nil:
		return nil, fmt.Errorf("the model's chat template fails, and no built-in one is known to fit (--template): %w", fault)
	case name == "":
		title := "without a name"
		if v, ok := f.Get("general.name"); ok {
			if s, ok := v.Str(); ok {
				title = fmt.Sprintf("%.80q", s)
			}
		}
		return nil, fmt.Errorf("%w in the file, and none of the built-in ones is known to be that of the model %s; name one of %s, or a file", ErrNoTemplate, title, Names())
	}
	b := builtins[name]
	t, err := Parse(ctx, name, "built in, "+why, source(name), or(bos, b.bos), or(eos, b.eos))
	if err == nil {
		t.Fault = fault
	}
	return t, err
}

// ownTemplate is the template in a model's file, nil for none. The error says why it is of
// no use.
func ownTemplate(ctx context.Context, f *loader.File, bos, eos string) (*Template, error) {
	v, ok := f.Get("tokenizer.chat_template")
	if !ok {
		return nil, nil
	}
	source, ok := v.Str()
	if !ok {
		return nil, f.Errorf("tokenizer.chat_template", "is of type %s, not string", v.Type)
	}
	t, err := Parse(ctx, "tokenizer.chat_template", "the model's own", source, bos, eos)
	switch {
	case err != nil:
		return nil, err
	case t.Caps.StringContent || t.Caps.PartsContent || t.Caps.System:
		return t, nil
	}
	hi := "Hi"
	c := &Conversation{GenerationPrompt: true, Messages: []Message{{Role: "user", Text: &hi}}}
	text, err := t.Render(ctx, c, time.Unix(0, 0).UTC())
	if err != nil {
		return nil, err
	}
	return nil, f.Errorf("tokenizer.chat_template", "does not show messages: it makes %.40q of %q", text.String, hi)
}

// BuiltIn reports whether a template of the name is built in.
func BuiltIn(name string) bool { return builtins[name] != nil }

// ParseBuiltIn gives a built-in template without a model: with the tokens its own
// models have.
func ParseBuiltIn(ctx context.Context, name string) (*Template, error) {
	b := builtins[name]
	if b == nil {
		return nil, fmt.Errorf("%w is built in by the name %.60q; there are %s", ErrNoTemplate, name, Names())
	}
	return Parse(ctx, name, "built in, asked for", source(name), b.bos, b.eos)
}

func or(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

// vocabulary is the texts of the model's tokens, nil where it has none.
func vocabulary(f *loader.File) (tokens []string) {
	if v, ok := f.Get("tokenizer.ggml.tokens"); ok {
		tokens, _ = v.Strings()
	}
	return tokens
}

// Ends are the texts of the model's tokens that begin and end a sequence.
func Ends(f *loader.File) (bos, eos string) {
	tokens := vocabulary(f)
	text := func(key string) string {
		if v, ok := f.Get("tokenizer.ggml." + key); ok {
			if id, ok := v.Uint(); ok && id < uint64(len(tokens)) {
				return tokens[id]
			}
		}
		return ""
	}
	return text("bos_token_id"), text("eos_token_id")
}

// Render gives the text of a conversation. now is what the template takes for today.
func (t *Template) Render(ctx context.Context, c *Conversation, now time.Time) (jinja.Text, error) {
	vars, err := c.Variables(t.Caps)
	if err != nil {
		return jinja.Text{}, err
	}
	return t.RenderVars(ctx, vars, now)
}

// RenderVars gives the text for variables as they are. bos_token and eos_token are the
// model's where the variables have none; others than the model's stay tainted.
func (t *Template) RenderVars(ctx context.Context, vars *jinja.Dict, now time.Time) (jinja.Text, error) {
	for k, v := range map[string]string{"bos_token": t.bos, "eos_token": t.eos} {
		given, ok := vars.Get(k)
		if s, is := given.(jinja.Str); v != "" && (!ok || is && s.String() == v) {
			vars.Set(k, jinja.String(v, false))
		}
	}
	text, err := t.t.Render(ctx, vars, now)
	if err != nil {
		return text, fmt.Errorf("%s: %w", t.Name, err)
	}
	return text, nil
}

// contains reports whether all parts occur in s.
func contains(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
