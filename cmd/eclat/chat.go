package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/conversation"
	"eclat/cmd/eclat/out"
	"eclat/cmd/eclat/terminal"
	"eclat/engine"
	"eclat/model/grammar"
	"eclat/model/sample"
)

type chatFlags struct {
	answerFlags
	first    string
	thinking thinkingFlag
}

func newChat() *cobra.Command {
	f := chatFlags{thinking: thinkingShown}
	cmd := &cobra.Command{
		Use:   "chat [MODEL]",
		Short: "Talk with a model in the terminal",
		Long: `Talk with an instruct model in the terminal, through its chat template.

Enter sends a message; a paste is one message however many lines it has. A line
that ends with \ goes on on the next, and so does all between """ and """; Alt-Enter
begins a line too. Ctrl-C stops an answer; pressed twice it leaves, as does Ctrl-D.
/help lists the commands. Where stdin or stdout is no terminal, each line is a
message, and answers alone go to stdout.

Without a MODEL the built-in one goes on with your words: it is no instruct model.
Of each turn only what is new is computed. When the context is full, chat says so
and asks whether to leave out the oldest turns.

--session keeps the conversation in a file, written after each answer, and an
answer on its way in FILE.begun: started again, also after a kill, chat goes on
from there with the same bits.`,
		Example: `  eclat chat model.gguf
  eclat chat model.gguf --system "Answer in one sentence." --temp 0.3
  eclat chat model.gguf --session talk.session --thinking folded
  eclat chat model.gguf --json-schema rivers.json -p "Three rivers, please."`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.StringVarP(&f.first, "prompt", "p", "", "first message")
	fs.Var(&f.thinking, "thinking", "how reasoning shows: shown, folded to one line, or off")
	cmd.RegisterFlagCompletionFunc("thinking", cobra.FixedCompletions([]string{"shown", "folded", "off"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *chatFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.check(args); err != nil {
		return err
	}
	if f.dumpPrompt && f.first == "" {
		return usagef("--dump-prompt needs a first message: -p")
	}
	if len(args) == 0 && f.template == "" {
		f.template = plainTemplate
	}
	ctx := cmd.Context()
	e, close, err := f.openModel(ctx, args)
	if err != nil {
		return err
	}
	defer close()
	t := &talk{flags: f, e: e}
	if t.c, err = f.converse(ctx, e); err != nil {
		return err
	}
	if t.masks, err = f.masks(t.c.Model); err != nil {
		return err
	}
	if t.how, err = f.settings(cmd, e); err != nil {
		return err
	}
	if f.session != "" {
		t.session = &conversation.Session{Path: f.session}
		why, err := t.session.Load(ctx, t.c, &t.how, keep(cmd))
		if err != nil {
			return err
		}
		sayWhy(t.session, why)
	}
	if err := f.setSystem(cmd, t.c); err != nil {
		return err
	}
	if f.dumpPrompt {
		p, err := t.c.Prompt(ctx, f.first)
		if err != nil {
			return err
		}
		return printPrompt(e, p.IDs)
	}
	return t.talk(ctx)
}

// reader is where messages come from.
type reader interface {
	Read(prompt, given string) (terminal.Message, error)
}

// talk is a running chat.
type talk struct {
	flags   *chatFlags
	e       *engine.Engine
	c       *conversation.Conversation
	how     sample.Settings
	masks   *grammar.Masks
	session *conversation.Session // nil for none

	in    reader
	term  *terminal.Terminal // the same; nil where there is none
	given string             // what the next message begins with, to be edited
	edits bool               // the next message replaces the last one
	dirty bool               // the conversation is not as the session's file has it
	leave bool
	total totals
}

// totals are what all answers took.
type totals struct {
	answers, prompt, cached, generated, reasoning int // tokens
	stats                                         engine.Stats
}

// prompt stands before what the user types.
const prompt = "> "

// talk reads messages and answers them until the user leaves.
func (t *talk) talk(ctx context.Context) error {
	if terminal.Available(os.Stdin, stdout.File()) {
		term, err := terminal.Open(ctx, os.Stdin, stdout.File(), stdout)
		if err != nil {
			return err
		}
		defer term.Close()
		term.Complete = completeCommand
		for _, turn := range t.c.Turns {
			term.Remember(turn.User)
		}
		t.in, t.term = term, term
	} else {
		var show io.Writer
		if out.IsTerminal(os.Stdin) {
			show = out.Stderr()
		}
		t.in = terminal.NewPlain(os.Stdin, show)
	}
	return t.start(ctx)
}

// start greets, answers the first message and takes the others.
func (t *talk) start(ctx context.Context) error {
	t.greet()
	if err := t.resume(ctx); err != nil {
		return err
	}
	if t.flags.first != "" {
		if t.term != nil {
			t.term.Remember(t.flags.first)
			out.Fprintf(stdout, "%s%s\n", prompt, out.Painted(out.Screen(t.flags.first)))
		}
		if err := t.answer(ctx, t.flags.first); err != nil {
			return err
		}
	}
	if err := t.messages(ctx); err != nil {
		return err
	}
	if t.dirty {
		return t.save(ctx)
	}
	return nil
}

// messages takes messages until the user leaves.
func (t *talk) messages(ctx context.Context) error {
	for !t.leave {
		m, err := t.in.Read(prompt, t.given)
		t.given = ""
		switch {
		case errors.Is(err, terminal.ErrInterrupted):
			t.edits = false
			t.sayf("Ctrl-C again leaves, and so does Ctrl-D; /help lists the commands.")
			continue
		case errors.Is(err, terminal.ErrTooLong) && t.term != nil:
			t.sayf("That is too long a message; the most is 16 MiB.")
			continue
		case err == io.EOF:
			return ctx.Err()
		case err != nil:
			return renamed("stdin", err)
		}
		if err := t.take(ctx, m); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// greet says who is there.
func (t *talk) greet() {
	tmpl := t.c.Model.Template
	t.sayf("%s on %s, context %d", title(t.e), t.e.Device(), t.e.Context)
	if tmpl.Name == plainTemplate {
		t.sayf("This is no instruct model: it goes on with your words.")
	} else {
		t.sayf("template %s (%s)", tmpl.Name, tmpl.Why)
	}
	t.sayf("sampling %s", &t.how)
	if n := len(t.c.Turns); n > 0 {
		t.sayf("%s goes on after %s; /show prints them.", t.session.Path, plural(n, "turn"))
	}
	if t.term != nil {
		t.sayf("/help lists the commands, Ctrl-D leaves.\n")
	}
}

// sayf tells the user something about the chat, which is no answer: a dimmed line on
// stderr, broken where it is longer than the terminal is wide.
func (t *talk) sayf(format string, args ...any) { t.say(out.Sprintf(format, args...)) }

// say is sayf for a text that is safe on a terminal.
func (t *talk) say(text string) {
	before, after := "", ""
	if out.ColouredMessages() {
		before, after = "\x1b["+string(out.Dim)+"m", "\x1b[0m"
	}
	for _, line := range wrapWords(text, min(t.width(), 100)) {
		out.Messagef("%s\n", out.Painted(before+line+after))
	}
}
