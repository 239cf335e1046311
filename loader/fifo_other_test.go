//go:build !unix

package loader_test

import "errors"

// mkfifo makes a named pipe.
func mkfifo(string) error { return errors.ErrUnsupported }
