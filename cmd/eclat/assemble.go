package main

import (
	"errors"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/loader/fragment"
	"eclat/loader/manifest"
)

func newAssemble() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "assemble DIR -o FILE",
		Short: "Make the model file again from its pieces",
		Long: `Make the GGUF file again that a fragments folder was cut from, byte for byte.

Every chunk is checked against its sum, and the file against the sum of the
source, before it gets its name. An existing FILE is never overwritten. A model
that was split into several files becomes as many; name the first of them.
DIR may also be a manifest, and must be where a folder holds several.`,
		Example: `  eclat assemble magistral -o Magistral-Small-2509-Q4_K_M.gguf
  eclat assemble magistral/Magistral-Small-2509-Q4_K_M.*.json -o copy.gguf`,
		Args:              oneFolder,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if output == "" {
				return usagef("give the file to write with -o")
			}
			path, err := manifest.Find(args[0])
			if err != nil {
				return err
			}
			bar := out.NewBar("assembling", true)
			res, err := fragment.Assemble(cmd.Context(), path, output, fragment.Options{Progress: bar.Set})
			bar.Clear()
			var name *fragment.NameError
			if errors.As(err, &name) {
				return usageError{err}
			}
			if err != nil {
				return interrupted(err, "nothing was written")
			}
			for _, p := range res.Paths {
				stdout.Line(p)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; it must not exist")
	return cmd
}
