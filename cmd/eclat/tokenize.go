package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/model/tokenizer"
)

func newTokenize() *cobra.Command {
	var special, jsonl bool
	var file string
	cmd := &cobra.Command{
		Use:   "tokenize [MODEL]",
		Short: "Turn text on stdin into token ids",
		Long: `Turn text on stdin, or in a file (-f), into token ids, on one line with spaces
between them.

With --jsonl each line is a JSON string and each line of stdout a JSON array of
ids; the lines before a bad one are answered. No beginning-of-sequence token is
added. Control tokens spelt out in the text count as text unless --special is
given.`,
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
			if jsonl {
				return tokenizeLines(t, file, special)
			}
			text, err := readText(file)
			if err != nil {
				return err
			}
			line := []byte{}
			for i, id := range t.Encode(nil, text, special) {
				if i > 0 {
					line = append(line, ' ')
				}
				line = strconv.AppendInt(line, int64(id), 10)
			}
			_, err = stdout.Write(append(line, '\n'))
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "-", "the text; - is stdin")
	cmd.Flags().BoolVar(&special, "special", false, "control tokens spelt out in the text count as such")
	cmd.Flags().BoolVar(&jsonl, "jsonl", false, "each line is a JSON string; print a JSON array for each")
	return cmd
}

// tokenizeLines answers each line of a file of JSON strings. Empty lines are passed
// over, but counted.
func tokenizeLines(t *tokenizer.Tokenizer, file string, special bool) error {
	in, name := io.Reader(os.Stdin), "stdin"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in, name = f, file
	}
	lines := bufio.NewReaderSize(in, 1<<16)
	ids := []int32{}
	for n := 1; ; n++ {
		line, err := readLine(lines)
		switch {
		case errors.Is(err, errLine):
			return tooLong(fmt.Sprintf("%s, line %d", name, n))
		case err == io.EOF && len(line) == 0:
			return nil
		case err != nil && err != io.EOF:
			return renamed(fmt.Sprintf("%s, line %d", name, n), err)
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var text *string
		if json.Unmarshal(line, &text) != nil || text == nil {
			return fmt.Errorf("%s, line %d is not a JSON string: %.40q", name, n, line)
		}
		ids = t.Encode(ids[:0], *text, special)
		if err := out.JSON(stdout, ids, false); err != nil {
			return err
		}
	}
}

// errLine says that a line is longer than maxText.
var errLine = errors.New("the line is too long")

// readLine reads to the end of a line, or of the input: io.EOF then.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxText {
			return nil, errLine
		}
		if err != bufio.ErrBufferFull {
			return line, err
		}
	}
}
