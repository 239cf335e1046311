package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/model/sample"
)

// builtInPrompt is what the built-in model continues when it is given nothing: the
// words that most of its texts begin with.
const builtInPrompt = "Fellow-citizens of the Senate and House of Representatives:"

type runFlags struct {
	deviceFlags
	prompt, file string
	n            int
	temp         float32
	topK         int
	topP, minP   float32
	repeat       float32
	repeatLast   int
	seed         int64
	ignoreEOS    bool
	special      bool
	proof        bool
	draft        string
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

The filters apply in this order: repetition penalty, top-k, top-p, min-p,
temperature. The random numbers are a function of the seed and the position,
so the same seed gives the same text.

Where the last words have come before, what followed them then is tried at once
as a draft: as far as the model would have chosen it, that is several tokens in
the time of little more than one. A smaller model of the same vocabulary can draft
where the text does not (--draft MODEL). The text is the same, with or without.

--proof ends with the SHA-256 of all rows of logits that a token was chosen from:
equal on two machines where every bit was.`,
		Example: `  eclat run
  eclat run model.gguf -p "Once upon a time" -n 200 --seed 7
  eclat run model.gguf --temp 0 < question.txt`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.StringVarP(&f.prompt, "prompt", "p", "", "text to continue")
	fs.StringVarP(&f.file, "file", "f", "", "read the prompt from a file; - is stdin")
	fs.IntVarP(&f.n, "n", "n", -1, "most tokens to generate; 0 is none, -1 until the text ends or the context is full")
	fs.Float32Var(&f.temp, "temp", 0.8, "temperature; 0 always takes the most likely token")
	fs.IntVar(&f.topK, "top-k", 40, "keep the K most likely tokens; 0 is off")
	fs.Float32Var(&f.topP, "top-p", 0.95, "keep the most likely tokens that together reach P; 1 is off")
	fs.Float32Var(&f.minP, "min-p", 0.05, "keep tokens at least P times as likely as the best; 0 is off")
	fs.Float32Var(&f.repeat, "repeat-penalty", 1, "penalty on recently used tokens; 1 is off")
	fs.IntVar(&f.repeatLast, "repeat-last-n", 64, "how many tokens the penalty looks back; 0 is none, -1 the whole context")
	fs.Int64Var(&f.seed, "seed", -1, "seed of the random numbers; -1 picks one and prints it")
	fs.BoolVar(&f.ignoreEOS, "ignore-eos", false, "go on after the text has ended")
	fs.BoolVar(&f.special, "special", false, "control tokens spelt out in the prompt count as such, and are printed")
	fs.StringVar(&f.draft, "draft", "auto", "what drafts tokens where it pays: auto, the text so far; a smaller MODEL too; or off")
	fs.BoolVar(&f.proof, "proof", false, "print the SHA-256 of the logits, to compare two machines by")
	return cmd
}

func (f *runFlags) check() error {
	switch {
	case f.n < -1:
		return usagef("-n %d is below -1", f.n)
	case !(f.temp >= 0 && f.temp <= math.MaxFloat32):
		return usagef("--temp %g is not a number from 0 on", f.temp)
	case f.topK < 0 || f.topK > 1<<30:
		return usagef("--top-k %d is not from 0 to 2^30", f.topK)
	case !(f.topP >= 0 && f.topP <= 1):
		return usagef("--top-p %g is not from 0 to 1", f.topP)
	case !(f.minP >= 0 && f.minP <= 1):
		return usagef("--min-p %g is not from 0 to 1", f.minP)
	case !(f.repeat > 0 && f.repeat <= math.MaxFloat32):
		return usagef("--repeat-penalty %g is not a number above 0", f.repeat)
	case f.repeatLast < -1:
		return usagef("--repeat-last-n %d is below -1", f.repeatLast)
	case f.seed < -1:
		return usagef("--seed %d is below -1", f.seed)
	}
	return nil
}

func (f *runFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	prompt, err := f.readPrompt(cmd.Flags().Changed("prompt"))
	if err != nil {
		return err
	}
	if prompt == "" && len(args) == 0 && !cmd.Flags().Changed("prompt") {
		prompt = builtInPrompt
	}
	ctx := cmd.Context()
	if f.draft != "auto" && f.draft != "off" {
		d, err := f.open(ctx, []string{f.draft})
		if err != nil {
			return fmt.Errorf("--draft: %w", err)
		}
		defer d.Close()
		f.draftModel = d
	}
	e, err := f.open(ctx, args)
	if err != nil {
		return err
	}
	defer e.Close()
	if f.seed < 0 {
		f.seed = int64(rand.Uint32())
	}
	out.Messagef("%s on %s, context %d, seed %d\n", title(e), e.Device, e.Context, f.seed)
	st, err := f.generate(ctx, e, prompt)
	if err != nil {
		return err
	}
	printStats(e, st)
	if f.proof {
		out.Messagef("proof    %s\n", st.Proof)
	}
	return nil
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

func (f *runFlags) generate(ctx context.Context, e *engine.Engine, prompt string) (engine.Stats, error) {
	ids := e.Prompt(prompt, f.special)
	// The decoder sees the prompt too: whether the first token's space is text
	// depends on what stands before it.
	dec := e.Tokenizer.NewDecoder(f.special)
	for _, id := range ids {
		dec.Next(id)
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
	draft := engine.MaxDraft
	if f.draft == "off" {
		draft = 0
	}
	r := engine.Request{
		Tokens: ids,
		Share:  -1,
		Params: sample.Params{
			Temp: f.temp, TopK: int32(f.topK), TopP: f.topP, MinP: f.minP, Seed: uint64(f.seed),
		},
		Penalty:   f.repeat,
		PenaltyN:  f.repeatLast,
		MaxTokens: f.n,
		IgnoreEOS: f.ignoreEOS,
		Proof:     f.proof,
		Draft:     draft,
	}
	st, err := e.Generate(ctx, r,
		func(done, total int) { bar.Set(int64(done), int64(total)) },
		func(id int32) { emit(dec.Next(id)) })
	bar.Clear()
	emit(dec.Flush())
	if last != "" && !strings.HasSuffix(last, "\n") {
		emit("\n")
	}
	if err := stdout.Flush(); err != nil {
		return st, err
	}
	return st, err
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
