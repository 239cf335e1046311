package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"eclat/engine"
	"eclat/loader"
	"eclat/model"
	"eclat/testdata"
)

// openFile opens the model that args name, or the built-in one.
func openFile(args []string) (*loader.File, error) {
	if len(args) == 0 {
		return loader.FromBytes(testdata.ModelName, testdata.Model)
	}
	f, err := loader.Open(args[0])
	return f, pathError(err)
}

// deviceFlags are the flags of every command that computes.
type deviceFlags struct {
	device  string
	context int
	threads int
}

func (d *deviceFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.device, "device", "auto", "auto, cpu or ref (the slow reference)")
	f.IntVarP(&d.context, "context", "c", 0, fmt.Sprintf("context in tokens (default: the model's, at most %d)", engine.DefaultContext))
	f.IntVarP(&d.threads, "threads", "t", 0, "CPU threads (default: one a processor)")
	cmd.RegisterFlagCompletionFunc("device", cobra.FixedCompletions([]string{"auto", "cpu", "ref"}, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses values outside their range.
func (d *deviceFlags) check() error {
	if d.context < 0 || d.threads < 0 || d.threads > 4096 {
		return usagef("--context and --threads cannot be negative, nor threads above 4096")
	}
	return nil
}

// backend opens the device without a model.
func (d *deviceFlags) backend() (model.Backend, string, error) {
	return engine.OpenBackend(d.device, engine.Options{Threads: d.threads})
}

// open opens the engine with a progress bar for loading.
func (d *deviceFlags) open(ctx context.Context, args []string) (*engine.Engine, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	f, err := openFile(args)
	if err != nil {
		return nil, err
	}
	bar := newBar("loading", true)
	defer bar.clear()
	e, err := engine.Open(f, engine.Options{
		Device:   d.device,
		Context:  d.context,
		Threads:  d.threads,
		Progress: bar.set,
	})
	if err != nil {
		return nil, err
	}
	if n := e.Model.Config.NCtx; e.Context > n {
		fmt.Fprintf(os.Stderr, "warning: the context of %d tokens is longer than the %d the model was trained for\n", e.Context, n)
	}
	return e, ctx.Err()
}

// changed reports whether the user set a flag.
func changed(fs *pflag.FlagSet, name string) bool { return fs.Changed(name) }
