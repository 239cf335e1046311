package engine

import (
	"fmt"

	"eclat/cpu/host"
)

// leastAddresses is the smallest address space (ulimit -v), in bytes, in which the
// program is sure to start and to run a small model. Below it a thread that the Go
// runtime or a driver starts may not get its stack, which ends the process with
// pages of the runtime's own words. 2800 MiB were too little and 3000 enough, eight
// of eight times, for 16 threads and the largest user there is, Mesa's software driver:
//
//	(ulimit -v 3072000; LP_NUM_THREADS=16 GOMAXPROCS=16 eclat run -n 20 --device vulkan:0)
const leastAddresses = 3200 << 20

// CheckAddresses returns an ErrMemory where the limit on the process's address space
// is below what the program is sure to work in. It is for the program's start,
// before any device is listed.
func CheckAddresses() error { return checkAddresses(host.AddressLimit()) }

func checkAddresses(limit int64) error {
	if limit >= leastAddresses {
		return nil
	}
	return fmt.Errorf("%w: the address space is limited to %d MiB (ulimit -v), at least %d are needed", ErrMemory, limit>>20, int64(leastAddresses)>>20)
}
