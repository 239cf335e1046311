package out

import (
	"errors"
	"syscall"
)

// closedPipe reports what the system says of a pipe without a reader, beside EPIPE.
func closedPipe(err error) bool {
	const noData = syscall.Errno(232) // ERROR_NO_DATA
	return errors.Is(err, syscall.ERROR_BROKEN_PIPE) || errors.Is(err, noData)
}
