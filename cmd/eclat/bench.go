package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/engine/bench"
	"eclat/engine/record"
	"eclat/loader"
	"eclat/model/arch"
)

type benchFlags struct {
	deviceFlags
	prompts, gens, depths []int
	repeat                int
	noWarmup              bool
	kernels               bool
	proof                 bool
	synthetic             string
	output                string
	report                string
}

func newBench() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench [MODEL]",
		Short: "Measure tokens per second",
		Long: `Measure how fast a model reads prompts (ppN) and generates text (tgN), as
llama-bench does: each test is warmed up, then repeated; a rate is the mean of the
repetitions ± their standard deviation. "@ d4096" is with 4096 tokens before, which
are computed once; a prompt is read at the next multiple of 32. Compiling kernels
is in no rate.

The last column sets the rate against what the device can do, measured on the
spot: generating has to read all weights once a token, so it is bound by how fast
the processor reads memory, or a GPU copies it (bytes read plus bytes written);
reading a prompt is bound by how fast the device multiplies the model's largest
matrix, at the best of several numbers of tokens.

--proof runs each test once more, untimed, and tells the SHA-256 of the logits that
its tokens were chosen from: equal on two devices where every bit was.

--synthetic benches a well-known shape without having its weights: random blocks
in the mix of types of Q4_K_M, in a temporary file; NAME:N takes fewer layers.
'eclat bench --synthetic help' lists the shapes.`,
		Example: `  eclat bench model.gguf
  eclat bench model.gguf -p 512 -n 128 -d 0,4096 --device gpu,cpu -o json
  eclat bench model.gguf --kernels --report bench.html
  eclat bench --synthetic qwen3-30b-a3b:2 --device cpu -p 64 -n 8`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args) },
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.Lookup("device").Usage = "devices, separated by commas: " + fs.Lookup("device").Usage
	fs.Lookup("context").Usage = "context in tokens (default: what the tests need)"
	fs.IntSliceVarP(&f.prompts, "n-prompt", "p", []int{512}, "tokens of the prompts to read; 0 for none")
	fs.IntSliceVarP(&f.gens, "n-gen", "n", []int{128}, "tokens to generate; 0 for none")
	fs.IntSliceVarP(&f.depths, "n-depth", "d", []int{0}, "tokens in key–value memory before each test")
	fs.IntVarP(&f.repeat, "repetitions", "r", 5, "repetitions of each test")
	fs.BoolVar(&f.noWarmup, "no-warmup", false, "do not run each test once before it counts")
	fs.BoolVar(&f.kernels, "kernels", false, "break a generated token down by op")
	fs.BoolVar(&f.proof, "proof", false, "tell the SHA-256 of each test's logits, from a run that is not timed")
	fs.StringVar(&f.synthetic, "synthetic", "", "bench a shape with random weights: NAME or NAME:LAYERS; help lists them")
	fs.StringVarP(&f.output, "output", "o", "md", "md, csv, json or jsonl")
	fs.StringVar(&f.report, "report", "", "write a page with charts to this file")
	cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(benchFormats, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("synthetic", cobra.FixedCompletions(shapeList(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var benchFormats = []string{"md", "csv", "json", "jsonl"}

func shapeList() (names []string) {
	for _, s := range bench.Shapes {
		names = append(names, s.Name)
	}
	return names
}

// printShapes lists the shapes, with the size of their weights.
func printShapes() {
	t := out.NewTable("<shape", "<architecture", "layers", "weights", "size", "<")
	for i := range bench.Shapes {
		s, note := &bench.Shapes[i], ""
		if !arch.Supports(s.Arch) {
			note = "not supported"
		}
		t.Add(s.Name, s.Arch, fmt.Sprint(s.Layers), fmt.Sprintf("%.1f · 10⁹", float64(s.Params())/1e9), fmt.Sprintf("%.1f GB", float64(s.Bytes())/1e9), note)
	}
	t.Text(stdout, stdout.Coloured())
}

// maxBench bounds each number of tokens; far above any context in use.
const maxBench = 1 << 24

func (f *benchFlags) check(args []string) error {
	for name, list := range map[string][]int{"-p": f.prompts, "-n": f.gens, "-d": f.depths} {
		for _, n := range list {
			if n < 0 || n > maxBench {
				return usagef("%s %d is not from 0 to %d", name, n, maxBench)
			}
		}
	}
	for _, d := range strings.Split(f.device, ",") {
		if strings.TrimSpace(d) == "" {
			return usagef("--device %.40q: a name is empty", f.device)
		}
	}
	switch {
	case f.repeat < 1 || f.repeat > 1e6:
		return usagef("-r %d is not from 1 to 1000000", f.repeat)
	case !slices.Contains(benchFormats, f.output):
		return usagef("-o %.20q is not one of %s", f.output, strings.Join(benchFormats, ", "))
	case len(f.tests()) == 0:
		return usagef("nothing to measure: -p, -n or -d names no test")
	case f.synthetic != "" && len(args) > 0:
		return usagef("--synthetic and a MODEL exclude each other")
	}
	if need := bench.Context(f.tests()); f.context > 0 && int(f.context) < need {
		return usagef("-c %d is too small: the tests need %d", int(f.context), need)
	}
	return f.deviceFlags.check()
}

func (f *benchFlags) tests() []bench.Test { return bench.Tests(f.prompts, f.gens, f.depths) }

func (f *benchFlags) run(ctx context.Context, args []string) error {
	if err := f.check(args); err != nil {
		return err
	}
	if f.synthetic == "help" {
		printShapes()
		return nil
	}
	if err := checkOutputs([]output{{"--report", f.report}}, args, nil); err != nil {
		return err
	}
	devices := strings.Split(f.device, ",")
	if len(devices) > 1 { // a mistake in the last name should not show after hours
		for _, d := range devices {
			o := engine.Options{Device: d, RequireGPU: f.requireGPU}
			b, _, err := engine.OpenDevice(ctx, o)
			if err != nil {
				return err
			}
			if err := b.Close(); err != nil {
				return err
			}
		}
	}
	open := func() (*loader.File, error) { return f.others.open(ctx, args) }
	if f.synthetic != "" {
		m, err := f.makeSynthetic(ctx)
		if err != nil {
			return err
		}
		defer m.Close()
		open = m.Open
	}
	b := &benchRun{tests: f.tests(), typeK: f.cache.keys.String(), typeV: f.cache.values.String()}
	var err error
	for _, d := range devices {
		f.device = d
		if err = f.one(ctx, open, b); err != nil {
			break
		}
	}
	// What was measured before an error is worth seeing.
	if len(b.devices) > 0 {
		if e := b.print(stdout, f.output, stdout.Coloured(), f.kernels); err == nil {
			err = e
		}
		if f.report != "" && err == nil {
			err = writeReport(f.report, b.page())
		}
	}
	return err
}

// benchRun is what a run of the command measured.
type benchRun struct {
	tests   []bench.Test
	model   benchModel
	devices []*bench.Device
	repeat  int
	chunk   []int // engine.Chunk on each device

	typeK, typeV string // how keys and values are kept
}

// benchModel describes the model in llama-bench's terms.
type benchModel struct {
	file, kind string
	sum        string // SHA-256 of the file; empty where it was not asked for
	bytes      int64
	params     int64
	name       string
}

func (f *benchFlags) makeSynthetic(ctx context.Context) (*bench.Model, error) {
	shape, err := bench.ParseShape(f.synthetic)
	if err != nil {
		return nil, usageError{fmt.Errorf("--synthetic: %w; see --synthetic help", err)}
	}
	bar := out.NewBar("writing", true)
	defer bar.Clear()
	return bench.Synthetic(ctx, shape, bar.Set)
}

// one measures one device.
func (f *benchFlags) one(ctx context.Context, open func() (*loader.File, error), b *benchRun) error {
	tests := f.tests()
	dev := f.deviceFlags
	if dev.context <= 0 {
		dev.context = contextFlag(bench.Context(tests))
	}
	if f.kernels || f.report != "" {
		dev.context = max(dev.context, bench.ProfileContext)
		dev.probe = bench.Probe
	}
	bench.ResetPeak()
	file, err := open()
	if err != nil {
		return err
	}
	e, err := dev.openOn(ctx, file)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := f.describe(e, b); err != nil {
		return err
	}
	energy, err := meter(ctx, e)
	if err != nil {
		return err
	}
	var at out.Gauge
	o := bench.Options{Repeat: f.repeat, NoWarmup: f.noWarmup, Proof: f.proof, Energy: energy, Done: &at.Done}
	at.Total.Store(bench.Total(tests, o))
	stop := at.Watch(out.NewBar("measuring", false))
	defer stop()
	d, err := bench.Measure(ctx, e, tests, o)
	if err == nil && (f.kernels || f.report != "") {
		d.Kernels, err = bench.RunProfile(ctx, e, min(16, max(1, e.Context/2)))
		if errors.Is(err, bench.ErrNoTimes) {
			stop()
			out.Messagef("no times by op: %v: %s\n", err, e.Device())
			err = nil
		}
	}
	if err == nil && d.Unknown != nil {
		stop()
		out.Messagef("not measured: %v\n", d.Unknown)
	}
	if d != nil && len(d.Results) > 0 {
		b.devices, b.chunk = append(b.devices, d), append(b.chunk, e.Chunk)
		b.repeat = f.repeat
	}
	return err
}

// meter measures energy where all of the work is done by the processor; else it is nil.
func meter(ctx context.Context, e *engine.Engine) (*bench.Meter, error) {
	facts, err := e.Facts(ctx)
	if err != nil || slices.ContainsFunc(facts, func(f engine.Facts) bool { return f.GPU() }) {
		return nil, err
	}
	return bench.NewMeter(), nil
}

// describe fills in the model, once; summing a large file takes a while, so it is
// done only for the forms that show it.
func (f *benchFlags) describe(e *engine.Engine, b *benchRun) error {
	if b.model.kind != "" {
		return nil
	}
	var kind string
	if err := loader.Guard(func() error { kind = bench.ModelType(e); return nil }); err != nil {
		return err
	}
	b.model = benchModel{
		file: e.Model.File.Path, kind: kind, name: e.Model.Config.Name,
		bytes: bench.Bytes(e), params: bench.Params(e),
	}
	if f.synthetic != "" { // its shape is all there is to tell
		b.model.file = "synthetic " + f.synthetic
		return nil
	}
	if f.output != "md" || f.report != "" {
		var err error
		b.model.sum, err = fileSum(e.Model.File)
		return err
	}
	return nil
}

// fileSum is the model file's SHA-256, with a progress bar.
func fileSum(file *loader.File) (string, error) {
	bar := out.NewBar("checksum", true)
	defer bar.Clear()
	return record.FileSum(file, bar.Set)
}
