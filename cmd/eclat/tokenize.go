package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"eclat/model/tokenizer"
)

func newTokenize() *cobra.Command {
	var special, jsonl bool
	cmd := &cobra.Command{
		Use:   "tokenize [MODEL]",
		Short: "Turn text on stdin into token ids",
		Long: `Turn text on stdin into token ids, on one line with spaces between them.

With --jsonl each line of stdin is a JSON string and each line of stdout a JSON
array of ids. No beginning-of-sequence token is added. Control tokens spelt out
in the text count as text unless --special is given.`,
		Example: `  echo -n "Hello, world!" | eclat tokenize model.gguf
  eclat tokenize model.gguf --special --jsonl < texts.jsonl`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := openFile(args)
			if err != nil {
				return err
			}
			defer f.Close()
			t, err := tokenizer.New(f)
			if err != nil {
				return err
			}
			out := bufio.NewWriter(os.Stdout)
			if jsonl {
				err = tokenizeLines(t, os.Stdin, out, special)
			} else {
				err = tokenizeAll(t, os.Stdin, out, special)
			}
			if err != nil {
				return err
			}
			return out.Flush()
		},
	}
	cmd.Flags().BoolVar(&special, "special", false, "control tokens spelt out in the text count as such")
	cmd.Flags().BoolVar(&jsonl, "jsonl", false, "each line is a JSON string; print a JSON array for each")
	return cmd
}

func tokenizeAll(t *tokenizer.Tokenizer, in io.Reader, out *bufio.Writer, special bool) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read the text: %w", err)
	}
	for i, id := range t.Encode(nil, string(text), special) {
		if i > 0 {
			out.WriteByte(' ')
		}
		out.WriteString(strconv.Itoa(int(id)))
	}
	return out.WriteByte('\n')
}

func tokenizeLines(t *tokenizer.Tokenizer, in io.Reader, out *bufio.Writer, special bool) error {
	lines := bufio.NewReader(in)
	enc := json.NewEncoder(out)
	ids := []int32{}
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("read line %d: %w", n, err)
		}
		if len(line) > 0 && !(len(line) == 1 && line[0] == '\n') {
			var text string
			if jerr := json.Unmarshal(line, &text); jerr != nil {
				return fmt.Errorf("line %d is not a JSON string: %w", n, jerr)
			}
			ids = t.Encode(ids[:0], text, special)
			if jerr := enc.Encode(ids); jerr != nil {
				return jerr
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}
