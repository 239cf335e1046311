package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxText bounds what is read into memory from a file or a pipe, in bytes.
const maxText = 64 << 20

// readText reads all of a text file, or of stdin for "-". A text longer than
// maxText is refused, never cut.
func readText(path string) (string, error) {
	if path == "-" {
		return readAll("stdin", os.Stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return readAll(path, f)
}

// readAll reads a text to its end; name stands for it in errors.
func readAll(name string, r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err != nil {
		return "", renamed(name, err)
	}
	if len(b) > maxText {
		return "", tooLong(name)
	}
	return string(b), nil
}

// empty is the error of a text that says nothing.
func empty(path string) error {
	if path == "-" {
		path = "stdin"
	}
	return fmt.Errorf("%s is empty", path)
}

// tooLong is the error of a text above maxText.
func tooLong(name string) error {
	return fmt.Errorf("%s is longer than %d MiB, the most that is read at once", name, maxText>>20)
}

// renamed is an error of a file under the name that the user knows it by.
func renamed(name string, err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("read %s: %w", name, err)
}

// piped reports whether a file brings data: a pipe or a redirected file.
func piped(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && (st.Mode()&os.ModeNamedPipe != 0 || st.Mode().IsRegular())
}
