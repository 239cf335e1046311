package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"eclat/engine"
)

// defaultWindow is llama.cpp's, in tokens.
const defaultWindow = 512

// windowFlags are those of commands that run a text through a model window by window.
type windowFlags struct {
	deviceFlags
	file   string
	chunks int
	given  bool // -c was, once settle has looked
}

func (f *windowFlags) add(cmd *cobra.Command) {
	f.deviceFlags.add(cmd)
	fs := cmd.Flags()
	fs.Lookup("context").Usage = fmt.Sprintf("tokens of a window (default: %d, or the model's context where that is less)", defaultWindow)
	fs.StringVarP(&f.file, "file", "f", "", "the text; - is stdin")
	fs.IntVar(&f.chunks, "chunks", 0, "most windows to compute; 0 is all")
}

// checkText refuses what cannot be cut into windows.
func (f *windowFlags) checkText() error {
	switch {
	case f.file == "":
		return usagef("give the text with -f; - is stdin")
	case f.chunks < 0:
		return usagef("--chunks %d is negative", f.chunks)
	case f.context == engine.AutoContext:
		return usagef("-c is the window here, a number of tokens")
	}
	return nil
}

// text reads the text, which must not be empty.
func (f *windowFlags) text() (string, error) {
	text, err := readText(f.file)
	if err == nil && text == "" {
		err = empty(f.file)
	}
	return text, err
}

// settle makes the window the default one where none was given.
func (f *windowFlags) settle() {
	if f.given = f.context > 0; !f.given {
		f.context = defaultWindow
	}
}

// window is how many tokens a window has: no more than the model's context, unless it was
// given.
func (f *windowFlags) window(e *engine.Engine) int {
	if n := e.Model.Config.NCtx; !f.given && n < int(f.context) {
		return n
	}
	return int(f.context)
}
