package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/engine/perplexity"
	"eclat/engine/record"
)

type perplexityFlags struct {
	windowFlags
	base   string
	save   string
	asJSON bool
}

func newPerplexity() *cobra.Command {
	var f perplexityFlags
	cmd := &cobra.Command{
		Use:   "perplexity [MODEL] -f TEXT",
		Short: "Measure how well a model predicts a text",
		Long: `Measure the perplexity of a text, exp(mean −log p), with its standard error.

The windows are llama.cpp's: the text is cut into windows of -c tokens that do not
overlap, each begins with the beginning-of-sequence token where the model has one,
and the tokens of its second half are scored. What is left over at the end of the
text is not used.

--save-base keeps the predictions in 16 bits a token; --kl-base measures how far
others are from them: mean and 99 % KL, the share of equal most likely tokens.
The base may come from another rounding of the same model, and need not be as long
as the text.`,
		Example: `  eclat perplexity model-Q4_K_M.gguf -f wiki.test.raw
  eclat perplexity model-F16.gguf -f wiki.test.raw --chunks 20 --save-base f16.base
  eclat perplexity model-Q4_K_M.gguf -f wiki.test.raw --kl-base f16.base`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return f.run(cmd.Context(), args)
		},
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.StringVar(&f.base, "kl-base", "", "compare with predictions saved with --save-base")
	fs.StringVar(&f.save, "save-base", "", "save the predictions to a file")
	fs.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (f *perplexityFlags) check() error {
	if err := f.checkText(); err != nil {
		return err
	}
	if f.context > 0 && f.context < 4 {
		return usagef("-c %d is too small a window; the least is 4", int(f.context))
	}
	return f.deviceFlags.check()
}

func (f *perplexityFlags) run(ctx context.Context, args []string) error {
	err := checkOutputs([]output{{"--save-base", f.save}}, args, []string{f.file, f.base})
	if err != nil {
		return err
	}
	text, err := f.text()
	if err != nil {
		return err
	}
	var base *perplexity.Base
	if f.base != "" {
		if base, err = perplexity.OpenBase(f.base); err != nil {
			return err
		}
		defer base.Close()
		if f.context == 0 {
			f.context = contextFlag(base.Header().Window)
		}
	}
	f.settle()
	e, err := f.open(ctx, args)
	if err != nil {
		return err
	}
	defer e.Close()
	window := f.window(e)
	tokens := e.Prompt(text, false)
	save, err := f.createBase(e, tokens, window)
	if err != nil {
		return err
	}
	if base != nil {
		if err := noteOther(e, base.Header()); err != nil {
			return err
		}
	}
	r, err := f.measure(ctx, e, tokens, perplexity.Options{Window: window, Limit: f.chunks, Save: save, Base: base})
	if save != nil {
		if err != nil {
			save.Abort()
		} else if err = save.Close(); err == nil {
			out.Messagef("saved %d windows to %s\n", r.Windows, f.save)
		}
	}
	if err != nil {
		return err
	}
	if f.asJSON {
		return out.JSON(stdout, r, true)
	}
	printPerplexity(r)
	return nil
}

// createBase begins the file that --save-base names, nil without.
func (f *perplexityFlags) createBase(e *engine.Engine, tokens []int32, window int) (*perplexity.BaseWriter, error) {
	if f.save == "" {
		return nil, nil
	}
	h := perplexity.Header{Program: build()}
	h.Describe(e, tokens, window, f.chunks)
	if h.Windows == 0 {
		return nil, &perplexity.TooShortError{Tokens: len(tokens), Window: window}
	}
	bar := out.NewBar("checksum", true)
	defer bar.Clear()
	var err error
	if h.Weights, err = record.WeightsSum(e.Model.File, bar.Set); err != nil {
		return nil, err
	}
	return perplexity.CreateBase(f.save, &h)
}

// noteOther tells when the base is of other weights: that is what bases are for,
// but it should not happen unseen.
func noteOther(e *engine.Engine, h *perplexity.Header) error {
	bar := out.NewBar("checksum", true)
	defer bar.Clear()
	sum, err := record.WeightsSum(e.Model.File, bar.Set)
	if err != nil {
		return err
	}
	bar.Clear()
	if sum != h.Weights {
		out.Messagef("note: the base was made from other weights: %.60q on %s\n", h.Model, h.Device)
	}
	return nil
}

func (f *perplexityFlags) measure(ctx context.Context, e *engine.Engine, tokens []int32, o perplexity.Options) (*perplexity.Result, error) {
	bar := out.NewBar("perplexity", false)
	var at out.Gauge
	defer at.Watch(bar)()
	o.Progress = func(done, total int64, r perplexity.Result) {
		at.Set(done, total)
		if r.Windows > 0 {
			at.Say(fmt.Sprintf("perplexity %.3f ± %.3f", r.Perplexity, r.Error))
		}
	}
	return perplexity.Run(ctx, e, tokens, o)
}

func printPerplexity(r *perplexity.Result) {
	stdout.Printf("perplexity  %.4f ± %.4f\n", r.Perplexity, r.Error)
	stdout.Printf("windows     %d of %d tokens; %d of %d tokens scored, the second half of each\n", r.Windows, r.Window, r.Scored, r.Tokens)
	k := r.Base
	if k == nil {
		return
	}
	stdout.Printf("\n")
	t := out.NewTable("<against the base", "value")
	t.Add("perplexity of the base", fmt.Sprintf("%.4f", k.Perplexity))
	t.Add("log(ppl / base ppl)", fmt.Sprintf("%+.6f", k.LogRatio))
	t.Add("mean KL, nats", fmt.Sprintf("%s ± %s", sci(k.Mean), sci(k.Error)))
	t.Add("99 % KL, nats", sci(k.P99))
	t.Add("largest KL, nats", sci(k.Max))
	t.Add("same most likely token", fmt.Sprintf("%.2f %%", 100*k.SameTop))
	t.Text(stdout, stdout.Coloured())
}
