package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
)

func newLogprobs() *cobra.Command {
	var (
		dev       deviceFlags
		ids, file string
		top       int
	)
	cmd := &cobra.Command{
		Use:   "logprobs [MODEL] --ids 1,2,3 | --ids-file FILE",
		Short: "Print the probabilities a model gives to a sequence of tokens",
		Long: `Print what the model says after each token of a given sequence: one JSON object
a line and position, with the natural logarithms of the next token's probability
and of the most likely ones. After the last token "next" and "lp" are null.`,
		Example: `  eclat logprobs model.gguf --ids 1,22177,1044
  eclat tokenize model.gguf < text.txt | eclat logprobs model.gguf --ids-file - --top 5`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (ids == "") == (file == "") {
				return usagef("give the tokens with --ids or with --ids-file")
			}
			if top < 0 || top > 10000 {
				return usagef("--top %d is not from 0 to 10000", top)
			}
			if file != "" {
				text, err := readText(file)
				if err != nil {
					return err
				}
				ids = text
			}
			tokens, err := parseIDs(ids)
			if err != nil {
				return err
			}
			if dev.context == 0 && len(tokens) > engine.DefaultContext {
				dev.context = contextFlag(len(tokens))
			}
			e, err := dev.open(cmd.Context(), args)
			if err != nil {
				return err
			}
			defer e.Close()
			return e.Score(cmd.Context(), tokens, engine.ScoreOptions{Top: top}, func(r engine.Row) error { return out.JSON(stdout, newLogprob(r), false) })
		},
	}
	dev.add(cmd)
	cmd.Flags().StringVar(&ids, "ids", "", "token ids, separated by commas")
	cmd.Flags().StringVar(&file, "ids-file", "", "read the ids from a file, - for stdin: numbers, or a JSON array")
	cmd.Flags().IntVar(&top, "top", 20, "how many of the most likely tokens to print")
	return cmd
}

// logprob is one line of output.
type logprob struct {
	Pos  int      `json:"pos"`
	ID   int32    `json:"id"`
	Next *int32   `json:"next"`
	LP   *float64 `json:"lp"`
	Top  [][2]any `json:"top"`
}

func newLogprob(r engine.Row) logprob {
	l := logprob{Pos: r.Pos, ID: r.ID, Top: make([][2]any, len(r.Top))}
	if r.Next >= 0 {
		l.Next, l.LP = &r.Next, &r.LogProb
	}
	for i, t := range r.Top {
		l.Top[i] = [2]any{t.ID, t.LogProb}
	}
	return l
}

// parseIDs reads numbers between commas, spaces or the brackets of a JSON array.
func parseIDs(s string) ([]int32, error) {
	words := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(", \t\r\n[]", r) })
	if len(words) == 0 {
		return nil, usagef("no token ids given")
	}
	ids := make([]int32, len(words))
	for i, w := range words {
		n, err := strconv.ParseInt(w, 10, 32)
		if err != nil || n < 0 {
			return nil, usagef("token %d, %.20q, is not an id", i, w)
		}
		ids[i] = int32(n)
	}
	return ids, nil
}
