//go:build unix

package terminal

import (
	"os"
	"os/signal"
	"syscall"
)

// resized tells when the size of the terminal has changed.
func resized() (told chan os.Signal, stop func()) {
	told = make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGWINCH)
	return told, func() { signal.Stop(told) }
}
