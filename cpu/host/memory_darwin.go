package host

import "golang.org/x/sys/unix"

// AvailableMemory returns the bytes of main memory that the machine has in all: the
// system does not tell how much of it is free.
func AvailableMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil || n > 1<<62 {
		return 0
	}
	return int64(n)
}
