package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/manifest"
	"eclat/model"
	"eclat/model/arch"
	"eclat/testdata"
)

func newFragment() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "fragment [MODEL] -o DIR",
		Short: "Cut a model into verified pieces",
		Long: `Cut a model into verified pieces: a folder that every command takes in place of
the file.

Each tensor becomes a blob named by its sha256. A manifest, NAME.ID.json, says
which blobs make up the header, the embedding, each layer and the head, and has
sums of every 4 MiB; ID is the manifest's own sha256. Several models may share a
folder: equal blobs are stored once. The path of the manifest goes to stdout.

A run that was broken off leaves nothing half-written under its name; the same
command goes on where it stopped.`,
		Example: `  eclat fragment Magistral-Small-2509-Q4_K_M.gguf -o magistral
  eclat run magistral -p "The capital of France is"`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if output == "" {
				return usagef("give the folder to write to with -o")
			}
			f, err := openFile(args)
			if err != nil {
				return err
			}
			defer f.Close()
			if f.Manifest() != nil {
				return usagef("%s is a fragments folder already; eclat assemble makes a file of it", f.Path)
			}
			config, err := configJSON(f)
			if err != nil {
				return err
			}
			bar := out.NewBar("fragmenting", true)
			o := fragment.Options{Config: config, Progress: bar.Set}
			if len(args) == 0 {
				o.Name = strings.TrimSuffix(testdata.ModelName, " (built in)")
			}
			res, err := fragment.Write(cmd.Context(), f, output, o)
			bar.Clear()
			if err != nil {
				return interrupted(err, "the same command goes on from here")
			}
			out.Messagef("%s: %d blobs, of which %d (%s) are new\n", f.Path, res.Blobs, res.New, mib(res.NewBytes))
			stdout.Line(res.Path)
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "folder to write to; made if need be")
	cmd.MarkFlagDirname("output")
	return cmd
}

// configJSON is the model's configuration for its manifest, null where the model
// is of a kind that cannot be run.
func configJSON(f *loader.File) (json.RawMessage, error) {
	var c *model.Config
	err := loader.Guard(func() error {
		if m, err := arch.Open(f); err == nil {
			c = &m.Config
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	j, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	return manifest.CanonicalConfig(j)
}
