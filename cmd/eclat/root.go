package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"eclat/engine"
	"eclat/loader/spelling"
)

// usageError marks an error of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "eclat",
		Short: "Run GGUF language models",
		Long: `eclat runs GGUF language models.

Answers go to stdout, everything else to stderr. Where no MODEL is named, a
small built-in one is used: 8 million parameters trained on the speeches of
American presidents.

Exit codes: 0 done, 1 failed, 2 usage, 3 the model file is bad, 4 no such
device or not enough memory, 130 interrupted by Ctrl-C.`,
		Example: `  eclat run                                    text from the built-in model
  eclat run Magistral-Small-2509-Q4_K_M.gguf -p "The capital of France is"
  eclat inspect Magistral-Small-2509-Q4_K_M.gguf`,
		Version:                    release(),
		SilenceUsage:               true,
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if err := engine.CheckProcessor(); err != nil {
				return usageError{err}
			}
			return checkNames(cmd)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	root.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return nil
	}
	root.SetOut(stdout)
	root.SetErr(os.Stderr)
	root.SetVersionTemplate(build() + "\n")
	// At most 100 columns, of which pflag keeps to all but five.
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 95"))
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelp())
	root.AddCommand(newRun(), newChat(), newInspect(), newTokenize(), newTemplate(), newLogprobs(), newEmbed(), newServe(), newBench(), newCompare(), newPerplexity(), newDevices(), newDoctor(),
		newFragment(), newAssemble(), newVerify(), newQuantize(), newImatrix(), newPeer(), newVersion())
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.Short = "Print a script that completes commands and flags in a shell"
		c.Example = "  source <(eclat completion bash)"
		c.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		}
		c.RunE = func(cmd *cobra.Command, args []string) error { return cmd.Help() }
		for _, shell := range c.Commands() {
			shell.Short = "Print the script for " + shell.Name()
			shell.Example = "  eclat completion " + shell.Name()
			shell.Args = noArguments
		}
	}
	return root
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Explain a command",
		Long:    "Explain a command, as its --help does.",
		Example: "  eclat help run",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			if len(args) == 0 {
				for _, c := range cmd.Root().Commands() {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			topic := cmd.Root()
			for _, name := range args {
				var next *cobra.Command
				for _, c := range topic.Commands() {
					if c.Name() == name {
						next = c
					}
				}
				if next == nil {
					return unknownCommand(topic, name)
				}
				topic = next
			}
			topic.InitDefaultHelpFlag()
			topic.InitDefaultVersionFlag()
			return topic.Help()
		},
	}
}

// unknownCommand guesses what was meant by a word where a command should be.
func unknownCommand(cmd *cobra.Command, word string) error {
	cmd.SuggestionsMinimumDistance = 2
	guesses := cmd.SuggestionsFor(word)
	_, err := os.Stat(word)
	switch ext := strings.ToLower(filepath.Ext(word)); {
	case !cmd.HasParent() && (ext == ".gguf" || ext == ".json" || err == nil && len(guesses) == 0):
		return usagef("unknown command; to run a model: eclat run %s", word)
	case len(guesses) > 0:
		return usagef("unknown command %.60q; did you mean %s?", word, strings.Join(guesses, " or "))
	}
	return usagef("unknown command %.60q; see '%s --help'", word, cmd.CommandPath())
}

// flagError says what is wrong with a flag, and what was meant.
func flagError(cmd *cobra.Command, err error) error {
	if words := cmd.Flags().Args(); !cmd.HasParent() && len(words) > 0 { // eclat model.gguf -p text
		return unknownCommand(cmd, words[0])
	}
	var (
		unknown *pflag.NotExistError
		value   *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown):
		if guess := nearestFlag(cmd, unknown.GetSpecifiedName()); guess != "" && unknown.GetSpecifiedShortnames() == "" {
			return usagef("unknown flag --%.60s; did you mean --%s?", unknown.GetSpecifiedName(), guess)
		}
	case errors.As(err, &value):
		return usagef("%s; see '%s --help'", badValue(value), cmd.CommandPath())
	}
	return usagef("%w; see '%s --help'", err, cmd.CommandPath())
}

// badValue says what a flag takes.
func badValue(e *pflag.InvalidValueError) string {
	f := e.GetFlag()
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	takes := ""
	switch f.Value.Type() {
	case "int", "int32", "int64":
		takes = "is not a whole number"
	case "intSlice":
		takes = "is not a whole number, nor several separated by commas"
	case "float32", "float64":
		takes = "is not a number"
	case "bool":
		takes = "is neither true nor false"
	default: // our own, which explain themselves
		return fmt.Sprintf("%s: %.60q: %v", name, e.GetValue(), errors.Unwrap(e))
	}
	if strings.Contains(e.Error(), "out of range") {
		takes = "is too large a number"
	}
	return fmt.Sprintf("%s: %.60q %s", name, e.GetValue(), takes)
}

// nearestFlag is the flag of a command that is spelt most like name, or "".
func nearestFlag(cmd *cobra.Command, name string) (best string) {
	if len(name) > 40 {
		return ""
	}
	least := 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		d := spelling.Distance(name, f.Name)
		if len(name) >= 3 && strings.HasPrefix(f.Name, name) {
			d = 1
		}
		if d < least && d < len(f.Name) {
			best, least = f.Name, d
		}
	})
	return best
}

// checkNames refuses empty names of files: a script's variable that was not set.
func checkNames(cmd *cobra.Command) error {
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "file", "ids-file", "template", "conversation", "save", "save-base", "kl-base", "against-run", "against-model", "report", "output", "device", "synthetic", "models", "record", "sessions", "host", "api-key", "api-key-file", "session", "json-schema", "grammar", "draft":
			if f.Value.String() == "" && err == nil {
				err = usagef("--%s is empty", f.Name)
			}
		}
	})
	for _, a := range cmd.Flags().Args() {
		if a == "" && err == nil {
			err = usagef("an argument is empty")
		}
	}
	return err
}

// noArguments is the Args of commands that take none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments", cmd.Name())
	}
	return nil
}

// atMostOneModel is the Args of commands that take [MODEL].
func atMostOneModel(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("%d arguments, expected one model at most: %.100s", len(args), strings.Join(args, " "))
	}
	return nil
}

// oneFolder is the Args of commands that take a fragments folder.
func oneFolder(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("%d arguments, expected one fragments folder", len(args))
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
