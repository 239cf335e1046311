package engine

import "fmt"

// leastAddresses is the smallest address space (ulimit -v), in bytes, in which a GPU's
// driver is sure to find room. Below it a thread that the driver or the Go runtime starts
// may not get its stack, which ends the process with pages of the runtime's own words.
// 2800 MiB were too little and 3000 enough, eight of eight times, for 16 threads and the
// largest user there is, Mesa's software driver:
//
//	(ulimit -v 3072000; LP_NUM_THREADS=16 GOMAXPROCS=16 eclat run -n 20 --device vulkan:0)
const leastAddresses = 3200 << 20

// roomForDrivers returns an ErrMemory where the limit on the process's address space is
// below what a driver is sure to work in.
func roomForDrivers(limit int64) error {
	if limit >= leastAddresses {
		return nil
	}
	return fmt.Errorf("%w: no GPU is looked for, since the address space is limited to %d MiB (ulimit -v) and a driver may need %d", ErrMemory, limit>>20, int64(leastAddresses)>>20)
}
