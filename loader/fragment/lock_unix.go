//go:build unix && !solaris && !illumos && !aix

package fragment

import (
	"errors"
	"syscall"
)

// lock takes a file or folder for this process until f is closed. File systems
// that know no locks are used without. The error is errLocked.
func lock(f opened) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return nil
}
