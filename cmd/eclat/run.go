package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/conversation"
	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/model/chat/stop"
	"eclat/model/sample"
	"eclat/model/tokenizer"
)

// builtInPrompt is what the built-in model continues when it is given nothing: the
// words that most of its texts begin with.
const builtInPrompt = "Fellow-citizens of the Senate and House of Representatives:"

type runFlags struct {
	answerFlags
	prompt, file string
	chat         bool
	ignoreEOS    bool
	special      bool
}

func newRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [MODEL]",
		Short: "Generate text",
		Long: `Generate text that continues a prompt.

The prompt comes from -p, from a file (-f), or from stdin when that is a pipe.
Without one the built-in model begins an address to the Congress.
The text goes to stdout as it comes; progress and timings go to stderr.
Ctrl-C stops and still prints the timings.

Tokens are chosen in this order: logit bias, penalties, DRY, top-nsigma, top-k,
typical, top-p, min-p, XTC, temperature. What no flag says is as the model's
file recommends, else the default. The random numbers are a function of the
seed and the position, so the same seed gives the same text.

Where the last words have come before, what followed them then is tried at once
as a draft: as far as the model would have chosen it, that is several tokens in
the time of little more than one. A smaller model of the same vocabulary can draft
where the text does not (--draft MODEL). The text is the same, with or without.

--chat makes the prompt a message to an instruct model, through its chat template,
and prints the answer; what the model thinks before it shows on a terminal only.
--json, --json-schema and --grammar hold the answer, or the text, to a form.
--session keeps the text, or the conversation, in a file, with all that was
computed: the next run goes on from there, with the same bits.

--proof ends with the SHA-256 of all rows of logits that a token was chosen from:
equal on two machines where every bit was.`,
		Example: `  eclat run
  eclat run model.gguf -p "Once upon a time" -n 200 --seed 7
  eclat run model.gguf --temp 0 < question.txt
  eclat run model.gguf --chat -p "Name three rivers" --json-schema rivers.json
  eclat run model.gguf --chat -p "Why?" --reasoning off --session talk.session
  eclat run model.gguf --chat -p "Hello" --dump-prompt`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.StringVarP(&f.prompt, "prompt", "p", "", "text to continue, or with --chat the message")
	fs.StringVarP(&f.file, "file", "f", "", "read the prompt from a file; - is stdin")
	fs.BoolVar(&f.chat, "chat", false, "the prompt is a message, which the model answers")
	fs.BoolVar(&f.ignoreEOS, "ignore-eos", false, "go on after the text has ended")
	fs.BoolVar(&f.special, "special", false, "control tokens spelt out in the prompt count as such, and are printed")
	return cmd
}

func (f *runFlags) check(cmd *cobra.Command, args []string) error {
	for _, name := range []string{"template", "reasoning", "system"} {
		if cmd.Flags().Changed(name) && !f.chat {
			return usagef("--%s is for --chat", name)
		}
	}
	if f.chat && f.special {
		return usagef("--special is not for --chat: a message is text")
	}
	return f.answerFlags.check(args)
}

func (f *runFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.check(cmd, args); err != nil {
		return err
	}
	given := cmd.Flags().Changed("prompt")
	prompt, err := f.readPrompt(given)
	if err != nil {
		return err
	}
	if f.chat && prompt == "" {
		return usagef("--chat needs a message: -p, -f or a pipe")
	}
	ctx := cmd.Context()
	e, close, err := f.openModel(ctx, args)
	if err != nil {
		return err
	}
	defer close()
	how, err := f.settings(cmd, e)
	if err != nil {
		return err
	}
	var session *conversation.Session
	if f.session != "" {
		session = &conversation.Session{Path: f.session}
	}
	if f.chat {
		return f.runChat(cmd, e, session, prompt, how)
	}
	var before []int32
	if session != nil {
		var why error
		if before, why, err = session.LoadText(ctx, e, &how, keep(cmd)); err != nil {
			return err
		}
		sayWhy(session, why)
	}
	if prompt == "" && len(args) == 0 && !given && len(before) == 0 {
		prompt = builtInPrompt
	}
	ids := before
	if len(before) == 0 {
		ids = e.Prompt(prompt, f.special)
	} else {
		ids = e.Tokenizer.Encode(ids[:len(ids):len(ids)], prompt, f.special)
	}
	if f.dumpPrompt {
		return printPrompt(e, ids)
	}
	out.Messagef("%s on %s, context %d\nsampling %s\n", title(e), e.Device(), e.Context, &how)
	var st engine.Stats
	if f.grammar != nil {
		st, ids, err = f.guided(ctx, e, ids, how)
	} else {
		st, ids, err = f.generate(ctx, e, ids, how)
	}
	if err != nil {
		return err
	}
	if session != nil {
		err = session.SaveText(context.WithoutCancel(ctx), e, ids, &how)
	}
	f.printEnd(e, st)
	return err
}

// printEnd prints what the text took.
func (f *runFlags) printEnd(e *engine.Engine, st engine.Stats) {
	printStats(e, st)
	if f.proof {
		out.Messagef("proof    %s\n", st.Proof)
		showPeers(st)
	}
}

// readPrompt takes the prompt from -p, from -f, or from a pipe. A file's last line
// break is its editor's, and no part of the prompt.
func (f *runFlags) readPrompt(given bool) (string, error) {
	if given && f.file != "" {
		return "", usagef("-p and -f exclude each other")
	}
	file := f.file
	switch {
	case given:
		return f.prompt, nil
	case file == "" && piped(os.Stdin):
		file = "-"
	case file == "":
		return "", nil
	}
	text, err := readText(file)
	return strings.TrimSuffix(text, "\n"), err
}

// generate continues ids, and returns them with those that came.
func (f *runFlags) generate(ctx context.Context, e *engine.Engine, ids []int32, how sample.Settings) (engine.Stats, []int32, error) {
	all := slices.Clone(ids)
	shown, err := f.follow(e, ids)
	if err != nil {
		return engine.Stats{}, nil, err
	}
	bar := out.NewBar("prompt", false)
	var last string
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	emit := func(text string) {
		if text == "" {
			return
		}
		last = text
		if stdout.Terminal() {
			text = out.Screen(text)
		}
		io.WriteString(stdout, text)
		if stdout.Flush() != nil {
			cancel() // nobody sees the text
		}
	}
	r := f.request(ids, how)
	r.IgnoreEOS = f.ignoreEOS
	if len(f.stops) > 0 { // looked for where tokens are chosen, so that none is after the stop string
		chosen, err := f.follow(e, ids)
		if err != nil {
			return engine.Stats{}, nil, err
		}
		r.Until = func(id int32) bool {
			_, end := chosen.next(id)
			return end
		}
	}
	st, err := e.Generate(ctx, r,
		func(done, total int) { bar.Set(int64(done), int64(total)) },
		func(id int32) {
			all = append(all, id)
			text, _ := shown.next(id)
			emit(text)
		})
	bar.Clear()
	emit(shown.flush())
	if last != "" && !strings.HasSuffix(last, "\n") {
		emit("\n")
	}
	if err := stdout.Flush(); err != nil {
		return st, all, err
	}
	return st, all, err
}

// follower turns generated tokens into text, up to a stop string.
type follower struct {
	dec   *tokenizer.Decoder
	stops *stop.Matcher
}

// follow begins after a prompt. The decoder sees that too: whether the first token's
// space is text depends on what stands before it.
func (f *runFlags) follow(e *engine.Engine, prompt []int32) (*follower, error) {
	stops, err := stop.New(f.stops...)
	if err != nil {
		return nil, err
	}
	w := &follower{e.Tokenizer.NewDecoder(f.special), stops}
	for _, id := range prompt {
		w.dec.Next(id)
	}
	return w, nil
}

// next returns the text that is certain with this token, and whether a stop string ends it.
func (w *follower) next(id int32) (text string, end bool) {
	text, which, _ := w.stops.Next([]byte(w.dec.Next(id)))
	return text, which >= 0
}

// flush returns what was held back at the end of the text.
func (w *follower) flush() string {
	text, which, _ := w.stops.Next([]byte(w.dec.Flush()))
	if which < 0 {
		text += w.stops.Flush()
	}
	return text
}

// title is the model's name, or its file's.
func title(e *engine.Engine) string {
	if n := e.Model.Config.Name; n != "" {
		return fmt.Sprintf("%.60q", n)
	}
	return e.Model.File.Path
}

func printStats(e *engine.Engine, st engine.Stats) {
	rate := func(n int, sec float64) string {
		if n <= 0 || sec <= 0 {
			return "–"
		}
		return fmt.Sprintf("%.2f tokens/s", float64(n)/sec)
	}
	out.Messagef("\nload     %8.2f s\n", e.LoadTime.Seconds())
	if st.Compile > 100*time.Millisecond {
		out.Messagef("compile  %8.2f s\n", st.Compile.Seconds())
	}
	out.Messagef("prompt   %8.2f s  %5d tokens  %s\n", st.PromptTime.Seconds(), st.PromptTokens, rate(st.PromptTokens, st.PromptTime.Seconds()))
	out.Messagef("generate %8.2f s  %5d tokens  %s  (%s)\n", st.GenerateTime.Seconds(), st.GeneratedTokens, rate(st.GeneratedTokens-1, st.GenerateTime.Seconds()), st.Stop)
	if st.Drafted > 0 {
		out.Messagef("drafts   %8d tokens, %d right; without them %s\n", st.Drafted, st.Accepted, rate(1, st.StepTime.Seconds()))
	}
}
