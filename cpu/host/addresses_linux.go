package host

import (
	"math"

	"golang.org/x/sys/unix"
)

// AddressLimit returns how many bytes the process's address space may have (ulimit
// -v), the largest number where nothing limits it.
func AddressLimit() int64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &limit) != nil || limit.Cur > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(limit.Cur)
}
