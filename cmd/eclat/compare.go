package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/engine/compare"
	"eclat/engine/record"
)

// sampleText is compared where the user gives none: plain prose that any
// vocabulary can write.
const sampleText = `The sun had not yet risen when the two of them left the harbour. Nobody spoke.
Seventeen gulls followed the boat as far as the lighthouse; then the wind turned, and they were alone
with 300 miles of open water between them and the nearest town.`

type compareFlags struct {
	deviceFlags
	against      string
	againstModel string
	againstRun   string
	prompt, file string
	n, batch     int
	save         string
	saveLimit    int
	limits       compare.Limits
	tensors      bool
	asJSON       bool
	report       string
}

func newCompare() *cobra.Command {
	f := compareFlags{limits: compare.DefaultLimits}
	cmd := &cobra.Command{
		Use:   "compare [MODEL]",
		Short: "Tell how far two devices, models or saved runs are apart",
		Long: `Give the same tokens to two sides and tell how far apart they are: every step of
the model, tensor by tensor, and the predictions.

The sides are a model on --device and the same model on --against (the processor
for a GPU, the reference for the processor), another model on it
(--against-model), or a run that was saved before, on another machine, driver or
build (--save FILE, then --against-run FILE).

The first line says whether every number of both sides is equal, bit for bit, with
the SHA-256 of them all, or names the first that is not.

The error of a tensor is Σ(a−b)²/Σb², b being the side judged by. The first
divergent tensor is the first, in the order of computing, with a row over the
limit. The exit code is 1 when a limit is passed.`,
		Example: `  eclat compare model.gguf --device gpu --against cpu
  eclat compare model.gguf -f text.txt -n 256 --report compare.html
  eclat compare model.gguf --device gpu --save mesa-25.run
  eclat compare model.gguf --device gpu --against-run mesa-25.run`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd.Flags().Changed("prompt"), cmd.Flags().Changed("n")); err != nil {
				return err
			}
			return f.run(cmd.Context(), args)
		},
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.Lookup("context").Usage = "context in tokens (default: what the text needs)"
	fs.StringVar(&f.against, "against", "", "device to judge by (default: cpu for a GPU, else ref)")
	fs.StringVar(&f.againstModel, "against-model", "", "judge by another model file")
	fs.StringVar(&f.againstRun, "against-run", "", "judge by a run saved with --save")
	fs.StringVarP(&f.prompt, "prompt", "p", "", "text to compare on")
	fs.StringVarP(&f.file, "file", "f", "", "read the text from a file; - is stdin")
	fs.IntVarP(&f.n, "n", "n", 64, "most tokens of the text")
	fs.IntVar(&f.batch, "batch", 0, "tokens computed at once: 1 as in generating; 0 chooses as for a prompt")
	fs.StringVar(&f.save, "save", "", "save the run to a file; without another side nothing is compared")
	fs.IntVar(&f.saveLimit, "save-limit", 1024, "most MiB to save; beyond it a share of the activations is kept")
	fs.Float64Var(&f.limits.Row, "limit-error", f.limits.Row, "largest error of a tensor's row; 0 is off")
	fs.Float64Var(&f.limits.KLMean, "limit-kl", f.limits.KLMean, "largest mean KL, in nats; 0 is off")
	fs.Float64Var(&f.limits.KL99, "limit-kl99", f.limits.KL99, "largest 99 % quantile of KL; 0 is off")
	fs.Float64Var(&f.limits.LogProb, "limit-logprob", f.limits.LogProb, "largest mean |Δ log p|; 0 is off")
	fs.Float64Var(&f.limits.SameTop, "limit-top", f.limits.SameTop, "least share of equal most likely tokens; 0 is off")
	fs.BoolVar(&f.tensors, "tensors", false, "list every tensor, not only the layers")
	fs.BoolVar(&f.asJSON, "json", false, "print JSON")
	fs.StringVar(&f.report, "report", "", "write a page with charts to this file")
	return cmd
}

func (f *compareFlags) check(prompt, n bool) error {
	others := 0
	for _, s := range []string{f.against + f.againstModel, f.againstRun} {
		if s != "" {
			others++
		}
	}
	switch {
	case others > 1:
		return usagef("--against-run stands alone: without --against and --against-model")
	case prompt && f.file != "":
		return usagef("-p and -f exclude each other")
	case f.againstRun != "" && (prompt || f.file != "" || n):
		return usagef("a saved run brings its own text: -p, -f and -n cannot be given with --against-run")
	case f.n < 1 || f.n > maxBench:
		return usagef("-n %d is not from 1 to %d", f.n, maxBench)
	case f.batch < 0 || f.batch > 1<<16:
		return usagef("--batch %d is not from 0 to %d", f.batch, 1<<16)
	case f.saveLimit < 1 || f.saveLimit > 1<<20:
		return usagef("--save-limit %d is not from 1 to %d", f.saveLimit, 1<<20)
	}
	for _, l := range []struct {
		flag       string
		value, max float64
	}{
		{"--limit-error", f.limits.Row, math.MaxFloat64}, {"--limit-kl", f.limits.KLMean, math.MaxFloat64},
		{"--limit-kl99", f.limits.KL99, math.MaxFloat64}, {"--limit-logprob", f.limits.LogProb, math.MaxFloat64},
		{"--limit-top", f.limits.SameTop, 1},
	} {
		switch {
		case l.value >= 0 && l.value <= l.max:
		case l.max == 1:
			return usagef("%s %g is not a share, from 0 to 1", l.flag, l.value)
		default:
			return usagef("%s %g is not a number from 0 on", l.flag, l.value)
		}
	}
	return f.deviceFlags.check()
}

func (f *compareFlags) run(ctx context.Context, args []string) error {
	err := checkOutputs([]output{{"--save", f.save}, {"--report", f.report}}, append([]string{f.againstModel}, args...), []string{f.file, f.againstRun})
	if err != nil {
		return err
	}
	var saved *compare.Saved
	if f.againstRun != "" {
		if saved, err = compare.OpenSaved(f.againstRun); err != nil {
			return err
		}
		defer saved.Close()
		f.n = len(saved.Header().Tokens)
	}
	text, err := f.text()
	if err != nil {
		return err
	}
	dev := f.deviceFlags
	if dev.context <= 0 {
		dev.context = contextFlag(f.n)
	}
	var ids []int32
	dev.probe = func(e *engine.Engine) (o engine.ProbeOptions, err error) {
		if ids, err = f.tokens(e, text, saved); err != nil {
			return o, err
		}
		return compare.Probe(e, len(ids), f.batch), nil
	}
	e, err := dev.open(ctx, args)
	if err != nil {
		return err
	}
	defer e.Close()
	got, err := compare.NewLive(ctx, e, ids, f.batch)
	if err != nil {
		return err
	}
	defer func() {
		if got != nil {
			got.Close()
		}
	}()
	if f.save != "" || saved != nil {
		if err := identify(ctx, e, got.Header()); err != nil {
			return err
		}
	}
	if f.save != "" {
		if err := f.saveRun(ctx, got); err != nil || f.against == "" && f.againstModel == "" && saved == nil {
			return err
		}
		// The side has been walked to its end; a comparison begins anew, in the pages
		// that the first gives back.
		if err := got.Close(); err != nil {
			return err
		}
		if got, err = compare.NewLive(ctx, e, ids, f.batch); err != nil {
			return err
		}
	}
	if saved != nil {
		if a, b := got.Header(), saved.Header(); a.Weights != b.Weights {
			return fmt.Errorf("%s: saved from another model, %.60q", f.againstRun, b.Model)
		}
		return f.judge(ctx, got, saved)
	}
	other, err := f.openOther(ctx, e, args, len(ids))
	if err != nil {
		return err
	}
	defer other.Close()
	want, err := compare.NewLive(ctx, other, ids, 0)
	if err != nil {
		return err
	}
	defer want.Close()
	return f.judge(ctx, got, want)
}

// text is what the flags name; a file that says nothing is refused.
func (f *compareFlags) text() (string, error) {
	switch {
	case f.file != "":
		text, err := readText(f.file)
		if err == nil && text == "" {
			err = empty(f.file)
		}
		return text, err
	case f.prompt != "":
		return f.prompt, nil
	}
	return sampleText, nil
}

// tokens are what both sides are given: the saved run's, or the text's first.
func (f *compareFlags) tokens(e *engine.Engine, text string, saved *compare.Saved) ([]int32, error) {
	if saved != nil {
		h := saved.Header()
		if v := e.Model.Config.NVocab; v != h.Vocab {
			return nil, fmt.Errorf("%s: saved from another model, with a vocabulary of %d tokens; this one's has %d", f.againstRun, h.Vocab, v)
		}
		return h.Tokens, nil
	}
	ids := e.Prompt(text, false)
	return ids[:min(len(ids), f.n)], nil
}

// identify completes what is saved of a side.
func identify(ctx context.Context, e *engine.Engine, h *compare.Header) error {
	bar := out.NewBar("checksum", true)
	defer bar.Clear()
	sum, err := record.WeightsSum(e.Model.File, bar.Set)
	if err != nil {
		return err
	}
	h.Weights, h.Program, h.Time = sum, build(), time.Now().UTC().Format(time.RFC3339)
	facts, err := e.Facts(ctx)
	for _, x := range facts {
		if x.Driver != "" {
			h.Driver = x.Driver
		}
	}
	return err
}

func (f *compareFlags) saveRun(ctx context.Context, side compare.Side) error {
	h := side.Header()
	var at out.Gauge
	at.Set(0, int64(len(h.Tokens)))
	stop := at.Watch(out.NewBar("saving", false))
	defer stop()
	if err := compare.Save(ctx, f.save, side, int64(f.saveLimit)<<20, at.Set); err != nil {
		return err
	}
	stop()
	out.Messagef("saved %d tokens on %s to %s\n", len(h.Tokens), h.Device, f.save)
	return nil
}

// openOther opens the side that is judged by.
func (f *compareFlags) openOther(ctx context.Context, e *engine.Engine, args []string, n int) (*engine.Engine, error) {
	dev := f.deviceFlags
	dev.device, dev.requireGPU, dev.others.rows = f.against, false, rowsFlag{} // rows as they are: what rounding them costs is to be seen
	if dev.device == "" {
		dev.device = "ref"
		facts, err := e.Facts(ctx)
		if err != nil {
			return nil, err
		}
		for _, x := range facts {
			if x.GPU() {
				dev.device = "cpu"
			}
		}
		if f.againstModel != "" { // the files differ, not the devices
			dev.device = f.device
		}
	}
	if f.againstModel != "" {
		args = []string{f.againstModel}
	}
	dev.context = contextFlag(max(n, int(f.context)))
	dev.probe = func(e *engine.Engine) (engine.ProbeOptions, error) { return compare.Probe(e, n, 0), nil }
	return dev.open(ctx, args)
}

// errDiffer says that a limit was passed; the output has told which.
var errDiffer = errors.New("the two sides differ by more than the limits allow")

func (f *compareFlags) judge(ctx context.Context, got, want compare.Side) error {
	var at out.Gauge
	at.Set(0, int64(len(got.Header().Tokens)))
	stop := at.Watch(out.NewBar("comparing", false))
	defer stop()
	r, err := compare.Run(ctx, got, want, f.limits, at.Set)
	if err != nil {
		return err
	}
	stop()
	if f.asJSON {
		err = out.JSON(stdout, struct {
			*compare.Result
			Pass bool `json:"pass"`
		}{r, r.Pass()}, true)
	} else {
		printComparison(stdout, r, f.tensors, stdout.Coloured())
	}
	if err == nil && f.report != "" {
		err = writeReport(f.report, comparePage(r))
	}
	if err == nil && !r.Pass() {
		err = errDiffer
	}
	return err
}
