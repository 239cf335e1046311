//go:build !unix

package terminal

import "os"

// resized never tells: the next key finds out.
func resized() (told chan os.Signal, stop func()) { return nil, func() {} }
