//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package terminal

import "golang.org/x/term"

// raw makes the terminal hand over every key at once and without an echo. Output stays as
// it is: on Windows that is a mode of another handle.
func raw(fd int) (restore func() error, err error) {
	old, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	return func() error { return term.Restore(fd, old) }, nil
}
