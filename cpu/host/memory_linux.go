package host

import (
	"io/fs"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// AvailableMemory returns the bytes of main memory that can be had without swapping:
// what the system says is available, or less where a control group or the limit on
// the process's address space allows less. 0 where the system does not tell.
func AvailableMemory() int64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &limit) != nil || limit.Cur > math.MaxInt64 {
		limit.Cur = math.MaxInt64
	}
	return available(os.DirFS("/"), int64(limit.Cur))
}

// available reads the files of a system at root. addresses limits the process's
// address space.
func available(root fs.FS, addresses int64) int64 {
	have := int64(math.MaxInt64)
	if data, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		if n, ok := memAvailable(data); ok {
			have = n
		}
	}
	if data, err := fs.ReadFile(root, "proc/self/cgroup"); err == nil {
		mounts, _ := fs.ReadFile(root, "proc/self/mountinfo")
		have = min(have, cgroupRoom(root, data, mounts))
	}
	if addresses < math.MaxInt64 {
		if data, err := fs.ReadFile(root, "proc/self/statm"); err == nil {
			if pages, ok := firstNumber(data); ok {
				have = min(have, max(1, addresses-pages*int64(os.Getpagesize())))
			}
		}
	}
	if have == math.MaxInt64 {
		return 0
	}
	return have
}
