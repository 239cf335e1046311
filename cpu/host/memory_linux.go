package host

import (
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
