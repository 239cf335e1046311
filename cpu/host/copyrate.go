package host

import (
	"sync"
	"time"
)

// CopyRate measures how fast a number of threads together copy main memory, in
// bytes a second. A copied byte counts twice, once read and once written, as in
// STREAM (McCalpin 1995). The buffers are far larger than any cache; the best of
// several passes counts, because anything else that runs can only make a pass slower.
func CopyRate(threads int) (float64, error) {
	const (
		size   = 128 << 20 // bytes of source, and of destination
		passes = 6         // the first touches the pages
	)
	both, err := Make[byte](2, size, "measuring") // one by one, each would find the room of both
	if err != nil {
		return 0, err
	}
	src, dst := both[:size], both[size:]
	for i := 0; i < size; i += 4096 { // pages of zeros share one page of memory
		src[i] = byte(i >> 12)
	}
	best := 0.0
	for pass := range passes {
		start := time.Now()
		var done sync.WaitGroup
		for t := range threads {
			done.Go(func() { copy(dst[size/threads*t:size/threads*(t+1)], src[size/threads*t:]) })
		}
		done.Wait()
		if rate := 2 * float64(size/threads*threads) / time.Since(start).Seconds(); pass > 0 {
			best = max(best, rate)
		}
	}
	return best, nil
}
