package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/loader"
	"eclat/loader/quantize"
)

// wrapped joins names to indented lines.
func wrapped(names []string) string {
	var lines []string
	line := " "
	for _, name := range names {
		if len(line)+1+len(name) > 80 {
			lines, line = append(lines, line), " "
		}
		line += " " + name
	}
	return strings.Join(append(lines, line), "\n")
}

func newQuantize() *cobra.Command {
	var (
		types  []string
		matrix string
		dryRun bool
	)
	cmd := &cobra.Command{
		Use:   "quantize IN OUT TYPE",
		Short: "Write a model with smaller weights",
		Long: `Write a model anew with its weights as another type.

TYPE is one of
` + wrapped(quantize.Names()) + `;
those with _S or _M are mixes that spend more bits where they count. IN is best of
F32, F16 or BF16: what another type lost already stays lost. It may be split into
several files, and so is OUT where it is named NAME-00001-of-00003.gguf.

Stdout gets a line a tensor: its type before and after, its size, and the root mean
square of the error by that of the weights. Norms and small tensors stay as they
are; where a type's blocks do not divide a row, another stands in. An existing OUT
is never overwritten, and a run that is broken off leaves no file.`,
		Example: `  eclat quantize Magistral-Small-2509-BF16.gguf Magistral-Small-2509-Q4_K_M.gguf Q4_K_M
  eclat quantize in.gguf out.gguf Q4_K_S --tensor-type "ffn_down=Q6_K" --dry-run`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 3 {
				return usagef("quantize takes the model, the file to write and the type; see 'eclat quantize --help'")
			}
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 2 {
				return quantize.Names(), cobra.ShellCompDirectiveNoFileComp
			}
			return completeModel(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var overrides []quantize.Override
			for _, s := range types {
				o, err := quantize.ParseOverride(s)
				if err != nil {
					return usagef("--tensor-type: %w", err)
				}
				overrides = append(overrides, o)
			}
			f, err := loader.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			var importance quantize.Importance
			if matrix != "" {
				if importance, err = quantize.ReadImportance(matrix); err != nil {
					return err
				}
			}
			var plan *quantize.Plan
			err = loader.Guard(func() (err error) { plan, err = quantize.New(f, args[2], overrides, importance); return err })
			if errors.Is(err, quantize.ErrType) {
				return usageError{err}
			}
			if err != nil {
				return err
			}
			if n := plan.Requantised(); n > 0 {
				out.Messagef("%s: %d tensors were quantised before; what they lost then stays lost\n", f.Path, n)
			}
			if !dryRun {
				bar := out.NewBar("quantising", true)
				err := plan.Write(cmd.Context(), args[1], bar.Set)
				bar.Clear()
				if err != nil {
					return interrupted(err, "nothing was written")
				}
			}
			printPlan(plan, !dryRun)
			return nil
		},
	}
	cmd.Flags().StringVar(&matrix, "imatrix", "", "importance matrix, a GGUF file (or an older .dat): how much an error in each column counts")
	cmd.Flags().StringArrayVar(&types, "tensor-type", nil, "REGEX=TYPE: the type of tensors whose names match; the first that matches counts")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "write nothing; print what would become of each tensor")
	return cmd
}

// printPlan prints a line a tensor and their sum, with the errors after the work.
func printPlan(p *quantize.Plan, done bool) {
	table := out.NewTable("<tensor", "<shape", "<from", "<to", "size", "error", "<")
	var before, after int64
	for _, it := range p.Items {
		t := it.Tensor
		before, after = before+t.Size, after+it.Size
		loss, note := "", ""
		if done && it.Changes() {
			loss = fmt.Sprintf("%.3f %%", 100*it.Loss)
		}
		if it.Wanted != it.Type {
			note = fmt.Sprintf("blocks of %s do not divide a row", it.Wanted)
		}
		table.Add(t.Name, fmt.Sprint(t.Dims), t.Type.String(), it.Type.String(), mib(it.Size), loss, note)
	}
	table.Add("", "", "", "", mib(after), "", "of "+mib(before))
	table.Text(stdout, stdout.Coloured())
}
