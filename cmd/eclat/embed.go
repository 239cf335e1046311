package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/model"
)

func newEmbed() *cobra.Command {
	var (
		dev     = deviceFlags{embeddings: true}
		texts   []string
		file    string
		pooling string
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:   "embed [MODEL] -p TEXT | -f FILE",
		Short: "Turn texts into vectors",
		Long: `Turn each text into one vector of length 1: the rows that the model's last norm
leaves of its tokens, pooled as the file says or as --pooling does. Texts of
like meaning have vectors whose product is near 1, where the model was made for
it; others can be pooled too, and mean less.

A text is one line of numbers with spaces between them, or with --json an
object. The same text gives the same bits on every device.`,
		Example: `  eclat embed model.gguf -p "a text"
  eclat embed model.gguf -p "a text" -p "another" --pooling mean --json`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(texts) == 0) == (file == "") {
				return usagef("give the texts with -p, or one with -f")
			}
			how := model.NoPooling
			if pooling != "" {
				var err error
				if how, err = model.ParsePooling(pooling); err != nil {
					return usageError{err}
				}
			}
			if file != "" {
				text, err := readText(file)
				if err != nil {
					return err
				}
				texts = []string{text}
			}
			e, err := dev.open(cmd.Context(), args)
			if err != nil {
				return err
			}
			defer e.Close()
			if how == model.NoPooling {
				how = e.Model.Config.Pooling
			}
			for _, text := range texts {
				v, st, err := e.Embed(cmd.Context(), e.TextTokens(text), how, "", -1)
				if err != nil {
					return embedError(err)
				}
				if asJSON {
					err = out.JSON(stdout, embedding{v, st.PromptTokens, how}, false)
				} else {
					_, err = stdout.Write(numbers(v))
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	dev.add(cmd)
	cmd.Flags().StringArrayVarP(&texts, "prompt", "p", nil, "a text; may be given several times")
	cmd.Flags().StringVarP(&file, "file", "f", "", "read the text from a file, - for stdin")
	cmd.Flags().StringVar(&pooling, "pooling", "", "mean, cls or last (default: the file's)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "a JSON object a text")
	cmd.RegisterFlagCompletionFunc("pooling", cobra.FixedCompletions([]string{"mean", "cls", "last"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// embedding is one object of output.
type embedding struct {
	Embedding []float32     `json:"embedding"`
	Tokens    int           `json:"tokens"`
	Pooling   model.Pooling `json:"pooling"`
}

// numbers prints a vector on a line, each number as short as it can be read back.
func numbers(v []float32) []byte {
	var b bytes.Buffer
	for i, x := range v {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.Write(strconv.AppendFloat(b.AvailableBuffer(), float64(x), 'g', -1, 32))
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// embedError says what to do where a model does not say how it is pooled.
func embedError(err error) error {
	if errors.Is(err, engine.ErrNoPooling) {
		return fmt.Errorf("%w; choose with --pooling", err)
	}
	return err
}
