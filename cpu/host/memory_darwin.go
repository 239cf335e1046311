package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// AvailableMemory returns the bytes of main memory that can be had without
// compressing or swapping what others use, or 0 where the system does not tell.
func AvailableMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil || n > 1<<62 {
		return 0
	}
	return freeBytes(int64(n), int64(os.Getpagesize()), unix.SysctlUint32)
}
