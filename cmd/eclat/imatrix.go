package main

import (
	"context"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/engine/imatrix"
)

type imatrixFlags struct {
	windowFlags
	to      string
	process bool
}

func newImatrix() *cobra.Command {
	var f imatrixFlags
	cmd := &cobra.Command{
		Use:   "imatrix [MODEL] -f TEXT -o FILE",
		Short: "Measure which columns of the weights count most, for quantize",
		Long: `Read a text and write the importance matrix of a model: for each matrix the sums of
squares of what its columns are multiplied by, of experts each apart. 'eclat quantize
--imatrix' weighs its errors by it, and so does llama.cpp, whose format it is.

The text is cut into windows of -c tokens as in 'eclat perplexity'; every token
counts. The file is the same, byte by byte, on every device. Best is a model that
is not quantised yet, and a text like those that it will be used for.`,
		Example: `  eclat imatrix model-F16.gguf -f calibration.txt -o model.imatrix.gguf
  eclat quantize model-F16.gguf model-IQ4_XS.gguf IQ4_XS --imatrix model.imatrix.gguf`,
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
	fs.StringVarP(&f.to, "output", "o", "", "the file to write, GGUF")
	fs.BoolVar(&f.process, "process-output", false, "measure the output matrix too")
	return cmd
}

func (f *imatrixFlags) check() error {
	if f.file != "" && f.to == "" {
		return usagef("name the file to write with -o")
	}
	if err := f.checkText(); err != nil {
		return err
	}
	return f.deviceFlags.check()
}

func (f *imatrixFlags) run(ctx context.Context, args []string) error {
	if err := checkOutputs([]output{{"--output", f.to}}, args, []string{f.file}); err != nil {
		return err
	}
	text, err := f.text()
	if err != nil {
		return err
	}
	f.settle()
	f.probe = func(e *engine.Engine) (engine.ProbeOptions, error) { return imatrix.Probe(e, f.window(e)), nil }
	e, err := f.open(ctx, args)
	if err != nil {
		return err
	}
	defer e.Close()
	bar := out.NewBar("imatrix", false)
	m, err := imatrix.Collect(ctx, e, e.Prompt(text, false), imatrix.Options{
		Window: f.window(e), Limit: f.chunks, Output: f.process, Progress: bar.Set})
	bar.Clear()
	if err != nil {
		return interrupted(err, "nothing was written")
	}
	if err := m.WriteFile(f.to, f.file); err != nil {
		return err
	}
	for i := range m.Sums {
		if s := &m.Sums[i]; s.Unused() > 0 {
			out.Messagef("%s: %d of its %d experts were never used; a longer text may reach them\n", s.Name, s.Unused(), len(s.Counts))
		}
	}
	out.Messagef("%d tensors, %d windows of %d tokens: %s\n", len(m.Sums), m.Windows, m.Window, f.to)
	return nil
}
