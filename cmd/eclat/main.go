// Command eclat runs GGUF language models. Answers go to stdout, everything else
// to stderr.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"eclat/engine"
	"eclat/loader"
)

// Exit codes.
const (
	exitFailed = 1 // anything not below
	exitUsage  = 2 // wrong flags or arguments
	exitModel  = 3 // the model file is missing or bad
	exitDevice = 4 // no such device, not enough memory on it, or the device was lost
)

// usageError marks an error of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// modelError marks an error in opening the model file.
type modelError struct{ error }

func (e modelError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the program at once
	}()
	err := newRoot().ExecuteContext(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "eclat: interrupted")
	case err != nil:
		fmt.Fprintln(os.Stderr, "eclat:", oneLine(err))
	}
	os.Exit(exitCode(err))
}

// oneLine keeps an error on one line, whatever a file's contents put into it.
func oneLine(err error) string {
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(err.Error())
}

func exitCode(err error) int {
	var (
		format *loader.FormatError
		usage  usageError
		model  modelError
	)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, loader.ErrFault): // of a model too: what the file says is not at fault
		return exitFailed
	case errors.As(err, &format), errors.As(err, &model):
		return exitModel
	case errors.Is(err, engine.ErrDevice), errors.Is(err, engine.ErrMemory), errors.Is(err, engine.ErrLost):
		return exitDevice
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "eclat",
		Short: "Run GGUF language models",
		Long: `eclat runs GGUF language models.

Answers go to stdout, everything else to stderr. Where no MODEL is named, a
small built-in one is used: 8 million parameters trained on the speeches of
American presidents.

Exit codes: 0 done, 1 failed, 2 usage, 3 the model file is bad, 4 no such
device or not enough memory.`,
		Example: `  eclat run                                    text from the built-in model
  eclat run Magistral-Small-2509-Q4_K_M.gguf -p "The capital of France is"
  eclat inspect Magistral-Small-2509-Q4_K_M.gguf`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q; see 'eclat help'", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see 'eclat %s --help'", err, cmd.Name())
	})
	root.AddCommand(newRun(), newInspect(), newTokenize(), newLogprobs(), newBench(), newCompare(), newPerplexity(), newDevices(), newDoctor(),
		newFragment(), newAssemble(), newVerify(), newVersion())
	return root
}

// atMostOneModel is the Args of commands that take [MODEL].
func atMostOneModel(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("%d arguments, expected one model at most: %s", len(args), strings.Join(args, " "))
	}
	return nil
}

// completeModel offers .gguf files, manifests and folders to the shell.
func completeModel(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"gguf", "json"}, cobra.ShellCompDirectiveFilterFileExt
}

// pathError gives a file error the exit code of a bad model.
func pathError(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return modelError{fmt.Errorf("%s: %w", p.Path, p.Err)}
	}
	return err
}
