package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/conversation"
	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/engine/turn"
	"eclat/loader"
	"eclat/model/chat"
	"eclat/model/chat/stop"
	"eclat/model/grammar"
	"eclat/model/sample"
)

// plainTemplate is the template of models that go on with a text.
const plainTemplate = "plain"

// answerFlags are the flags of the commands that generate text: run and chat.
type answerFlags struct {
	deviceFlags
	n        int
	sampling samplingFlags
	seed     int64
	stops    []string
	draft    string
	proof    bool
	session  string

	system        string
	template      string
	dumpPrompt    bool
	reasoning     reasoningFlag
	json          bool
	schema, rules string // files

	grammar *grammar.Grammar // of the three above; nil for none. Made by check
}

func (f *answerFlags) add(cmd *cobra.Command) {
	f.deviceFlags.add(cmd)
	fs := cmd.Flags()
	fs.IntVarP(&f.n, "n", "n", -1, "most tokens to generate; 0 is none, -1 until the text ends or the context is full")
	f.sampling.add(fs)
	fs.Int64Var(&f.seed, "seed", -1, "seed of the random numbers; -1 picks one and prints it")
	fs.StringArrayVar(&f.stops, "stop", nil, "end before this text; may be given again")
	fs.StringVar(&f.draft, "draft", "auto", "what drafts tokens where it pays: auto, the text so far; a smaller MODEL too; or off")
	fs.BoolVar(&f.proof, "proof", false, "print the SHA-256 of the logits, to compare two machines by")
	fs.StringVar(&f.session, "session", "", "go on from a file, and keep it up to date, so that a later run goes on from there")
	fs.StringVar(&f.system, "system", "", "system message (default: the session's, or the template's own)")
	fs.StringVar(&f.template, "template", "", "chat template: a built-in one's name, or a file (default: the model's)")
	fs.BoolVar(&f.dumpPrompt, "dump-prompt", false, "print the prompt's text and tokens, and generate nothing")
	fs.Var(&f.reasoning, "reasoning", "how much a model may think before it answers: auto, off, or a number of tokens")
	fs.BoolVar(&f.json, "json", false, "hold the answer to JSON: any object")
	fs.StringVar(&f.schema, "json-schema", "", "hold the answer to a JSON Schema in a file")
	fs.StringVar(&f.rules, "grammar", "", "hold the answer to a GBNF grammar in a file")
	cmd.RegisterFlagCompletionFunc("reasoning", cobra.FixedCompletions([]string{"auto", "off"}, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses what no model would take.
func (f *answerFlags) check(args []string) error {
	switch {
	case f.n < -1:
		return usagef("-n %d is below -1", f.n)
	case f.seed < -1:
		return usagef("--seed %d is below -1", f.seed)
	}
	if _, err := stop.New(f.stops...); err != nil {
		return usagef("--stop: %v", err)
	}
	if err := f.sampling.check(); err != nil {
		return err
	}
	if err := checkOutputs([]output{{"--session", f.session}}, append([]string{f.draft}, args...), []string{f.schema, f.rules}); err != nil {
		return err
	}
	return f.compile()
}

// compile makes the grammar that the answer is held to.
func (f *answerFlags) compile() error {
	if b2i(f.json)+b2i(f.schema != "")+b2i(f.rules != "") > 1 {
		return usagef("--json, --json-schema and --grammar exclude each other")
	}
	file := f.schema + f.rules
	if f.json {
		f.grammar = grammar.AnyObject()
	}
	if file == "" {
		return nil
	}
	text, err := readText(file)
	if err != nil {
		return err
	}
	if f.schema != "" {
		f.grammar, err = grammar.FromSchema([]byte(text), grammar.SchemaOptions{})
	} else {
		f.grammar, err = grammar.FromGBNF(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// openModel opens the model and the one that drafts for it; close closes both. The one that
// drafts runs on this machine alone: it is asked before each batch, and small.
func (f *answerFlags) openModel(ctx context.Context, args []string) (e *engine.Engine, close func(), err error) {
	var d *engine.Engine
	if f.draft != "auto" && f.draft != "off" {
		home := f.deviceFlags
		home.others = peerFlags{}               // a guess that travels is worth nothing
		if home.context == engine.AutoContext { // the model is to have that
			home.context = 0
		}
		if d, err = home.open(ctx, []string{f.draft}); err != nil {
			return nil, nil, fmt.Errorf("--draft: %w", err)
		}
		f.draftModel = d
	}
	if e, err = f.open(ctx, args); err != nil {
		if d != nil {
			d.Close()
		}
		return nil, nil, err
	}
	if f.seed < 0 {
		f.seed = int64(rand.Uint32())
	}
	return e, func() {
		e.Close()
		if d != nil {
			d.Close()
		}
	}, nil
}

// settings are how tokens are chosen.
func (f *answerFlags) settings(cmd *cobra.Command, e *engine.Engine) (sample.Settings, error) {
	how, err := f.sampling.settings(cmd.Flags(), e)
	how.Seed = uint64(f.seed)
	return how, err
}

// request is what is asked of an engine.
func (f *answerFlags) request(ids []int32, how sample.Settings) engine.Request {
	draft := engine.MaxDraft
	if f.draft == "off" {
		draft = 0
	}
	return engine.Request{Tokens: ids, Share: -1, Settings: how, MaxTokens: f.n, Proof: f.proof, Draft: draft}
}

// converse prepares a conversation with an open model.
func (f *answerFlags) converse(ctx context.Context, e *engine.Engine) (*conversation.Conversation, error) {
	t, err := chooseTemplate(ctx, e.Model.File, f.template)
	if errors.Is(err, chat.ErrNoTemplate) && f.template == "" {
		return nil, fmt.Errorf("%w (--template); %s goes on with your words", err, plainTemplate)
	}
	if err != nil {
		return nil, err
	}
	now, err := today(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return nil, err
	}
	c := &conversation.Conversation{Model: turn.New(e, t), Reasoning: int(f.reasoning), Now: time.Now}
	if os.Getenv("SOURCE_DATE_EPOCH") != "" {
		c.Now = func() time.Time { return now }
	}
	return c, checkReasoning(f.reasoning, c.Model)
}

// checkReasoning refuses a limit of reasoning that cannot be kept.
func checkReasoning(r reasoningFlag, m *turn.Model) error {
	if r > 0 && m.Format.Close() == "" {
		return fmt.Errorf("reasoning %d: %w", int(r), turn.ErrReasoning)
	}
	return nil
}

// setSystem gives a conversation the system message, if one is given.
func (f *answerFlags) setSystem(cmd *cobra.Command, c *conversation.Conversation) error {
	if !cmd.Flags().Changed("system") {
		return nil
	}
	if err := c.SetSystem(f.system); err != nil {
		return usagef("--system: %w", err)
	}
	return nil
}

// chooseTemplate gives the template of a name or a file, else the model's, and says where a
// built-in one stands in for that.
func chooseTemplate(ctx context.Context, f *loader.File, name string) (*chat.Template, error) {
	if name == "" || chat.BuiltIn(name) {
		t, err := chat.Choose(ctx, f, name)
		if err == nil && t.Fault != nil {
			out.Noticef("warning: the model's own template fails (%.300v); the built-in one for %s is used", t.Fault, t.Name)
		}
		return t, err
	}
	source, err := readTemplate(name)
	if err != nil {
		return nil, err
	}
	bos, eos := chat.Ends(f)
	return chat.Parse(ctx, name, "a file", source, bos, eos)
}

// readTemplate reads a template's file.
func readTemplate(name string) (string, error) {
	source, err := readText(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = usagef("--template %.100q is neither a file nor built in; built in are %s", name, chat.Names())
	}
	return source, err
}

// masks arranges the grammar for a model, nil for none.
func (f *answerFlags) masks(m *turn.Model) (*grammar.Masks, error) {
	if f.grammar == nil {
		return nil, nil
	}
	return m.Masks(f.grammar)
}

// keep reports which settings a session's do not replace: those given on the command line.
func keep(cmd *cobra.Command) func(string) bool {
	return func(flag string) bool { return cmd.Flags().Changed(flag) }
}

// sayWhy says what keeps a session from going on as it ran.
func sayWhy(s *conversation.Session, why error) {
	switch {
	case errors.Is(why, engine.ErrForeign):
		out.Noticef("%s: %v\nWhat was said is computed again; the file is kept as %s.", s.Path, why, s.Aside())
	case why != nil:
		out.Noticef("%s: %v\nThis begins anew; the file is kept as %s.", s.Path, why, s.Aside())
	}
}

// reasoningFlag is a turn.Request.Reasoning.
type reasoningFlag int

func (r *reasoningFlag) Set(s string) error {
	switch s {
	case "auto":
		*r = 0
	case "off":
		*r = turn.NoReasoning
	default:
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 1<<30 {
			return errors.New("give auto, off, or a number of tokens")
		}
		*r = reasoningFlag(n)
	}
	return nil
}

func (r *reasoningFlag) String() string {
	switch *r {
	case 0:
		return "auto"
	case turn.NoReasoning:
		return "off"
	}
	return strconv.Itoa(int(*r))
}

func (r *reasoningFlag) Type() string { return "tokens" }

// printPrompt prints a prompt: its text, and each token with what it says.
func printPrompt(e *engine.Engine, ids []int32) error {
	var text []byte
	for _, id := range ids {
		text = e.Tokenizer.Append(text, id, true)
	}
	out.Fprintf(stdout, "%s\n\n%d tokens:\n", out.Painted(out.Screen(string(text))), len(ids))
	for _, id := range ids {
		control := ""
		if e.Tokenizer.IsControl(id) {
			control = "  control"
		}
		out.Fprintf(stdout, "%8d  %q%s\n", id, string(e.Tokenizer.Append(nil, id, true)), out.Painted(control))
	}
	return stdout.Flush()
}
