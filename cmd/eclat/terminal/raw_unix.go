//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package terminal

import (
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// raw makes the terminal hand over every key at once and without an echo. Output stays as
// it is: a line feed begins a line, whoever writes it.
func raw(fd int) (restore func() error, err error) {
	old, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	restore = func() error { return term.Restore(fd, old) }
	mode, err := unix.IoctlGetTermios(fd, getTermios)
	if err == nil {
		mode.Oflag |= unix.OPOST | unix.ONLCR
		err = unix.IoctlSetTermios(fd, setTermios, mode)
	}
	if err != nil {
		restore()
		return nil, err
	}
	return restore, nil
}
