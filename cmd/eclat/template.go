package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/model/chat"
	"eclat/model/chat/jinja"
	"eclat/model/tokenizer"
)

func newTemplate() *cobra.Command {
	var o templateOptions
	cmd := &cobra.Command{
		Use:   "template [MODEL]",
		Short: "Show a model's chat template, or what it makes of a conversation",
		Long: `Show a model's chat template and what it can do, or render a conversation.

The template is the model's own (tokenizer.chat_template), else a built-in one
that is known to fit. --template names a built-in one or a file, for which no
MODEL is needed unless ids are asked for. Built in are:
  ` + chat.Names() + `

A conversation is one JSON object with the variables of the template: messages,
tools, add_generation_prompt and others. Control tokens spelt out in it stay
text. Today is SOURCE_DATE_EPOCH (seconds, in UTC) where that is set.`,
		Example: `  eclat template model.gguf
  eclat template model.gguf --conversation chat.json
  eclat template model.gguf --conversation chat.json --ids
  eclat template --template qwen3 --conversation chat.json`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.template, "template", "", "a built-in template's name, or a file")
	f.StringVar(&o.conversation, "conversation", "", "a JSON file; - is stdin")
	f.BoolVar(&o.text, "text", false, "print the rendered text alone (this is what a conversation does without --ids)")
	f.BoolVar(&o.ids, "ids", false, "print the token ids, on one line")
	return cmd
}

// templateOptions are the flags of the command template.
type templateOptions struct {
	template, conversation string
	text, ids              bool
}

func (o *templateOptions) run(ctx context.Context, args []string) error {
	switch {
	case o.text && o.ids:
		return usagef("--text and --ids exclude each other")
	case (o.text || o.ids) && o.conversation == "":
		return usagef("--text and --ids need a --conversation")
	}
	now, err := today(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	t, tok, err := o.open(ctx, args)
	if err != nil {
		return err
	}
	if o.conversation == "" {
		return showTemplate(t)
	}
	if o.template == "" {
		out.Noticef("template: %s (%s)", t.Name, t.Why)
	}
	data, err := readText(o.conversation)
	if err != nil {
		return err
	}
	vars, err := chat.Decode([]byte(data))
	if err != nil {
		return fmt.Errorf("%s: %w", o.conversation, err)
	}
	text, err := t.RenderVars(ctx, vars, now)
	if err != nil {
		return err
	}
	if o.ids {
		return printIDs(chat.Encode(nil, tok, text))
	}
	return printRendered(text)
}

// open gives the template, and the tokenizer if ids are asked for.
func (o *templateOptions) open(ctx context.Context, args []string) (t *chat.Template, tok *tokenizer.Tokenizer, err error) {
	if o.template != "" && len(args) == 0 && !o.ids { // no model is needed
		if chat.BuiltIn(o.template) {
			t, err = chat.ParseBuiltIn(ctx, o.template)
			return t, nil, err
		}
		source, err := readTemplate(o.template)
		if err != nil {
			return nil, nil, err
		}
		t, err = chat.Parse(ctx, o.template, "a file", source, "", "")
		return t, nil, err
	}
	f, err := openFile(args)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	t, err = chooseTemplate(ctx, f, o.template)
	if err == nil && o.ids {
		tok, err = tokenizer.New(f)
	}
	return t, tok, err
}

// today is the time that a template takes for now: epoch in seconds, UTC, if set.
func today(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Now(), nil
	}
	n, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || n < 0 || n > 253402300799 { // the year 9999
		return time.Time{}, usagef("SOURCE_DATE_EPOCH %.40q is no number of seconds", epoch)
	}
	return time.Unix(n, 0).UTC(), nil
}

// showTemplate prints a template and what it can do.
func showTemplate(t *chat.Template) error {
	out.Fprintf(stdout, "template: %s (%s), %d bytes\n", t.Name, t.Why, len(t.Source))
	for _, r := range t.Caps.Rows() {
		mark := "no"
		if r.Yes {
			mark = "yes"
		}
		out.Fprintf(stdout, "  %-24s %s\n", r.Name, mark)
	}
	_, err := io.WriteString(stdout, "\n"+strings.TrimSuffix(out.Screen(t.Source), "\n")+"\n")
	return err
}

// printRendered prints a text as it is where it goes to a file or a pipe.
func printRendered(text jinja.Text) error {
	s := text.String
	if stdout.Terminal() {
		s = out.Screen(s) + "\n"
	}
	_, err := stdout.Write([]byte(s))
	return err
}

func printIDs(ids []int32) error {
	line := []byte{}
	for i, id := range ids {
		if i > 0 {
			line = append(line, ' ')
		}
		line = strconv.AppendInt(line, int64(id), 10)
	}
	_, err := stdout.Write(append(line, '\n'))
	return err
}
