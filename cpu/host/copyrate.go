package host

import (
	"sync"
	"time"
)

// CopyRate measures how fast a number of threads together copy main memory, in
// bytes a second. A copied byte counts twice, once read and once written, as in
// STREAM (McCalpin 1995). The buffers are far larger than any cache.
func CopyRate(threads int) (float64, error) {
	const size = 128 << 20 // bytes of source, and of destination

	both, err := Make[byte](2, size, "measuring") // one by one, each would find the room of both
	if err != nil {
		return 0, err
	}
	src, dst := both[:size], both[size:]
	for i := 0; i < size; i += 4096 { // pages of zeros share one page of memory
		src[i] = byte(i >> 12)
	}
	part := size / threads
	return 2 * bestRate(threads, part, func(t int) { copy(dst[part*t:part*(t+1)], src[part*t:]) }), nil
}

// bestRate is how many bytes a second the threads' shares of part bytes each come to, in
// the best of several passes: the first may touch pages, and anything else that runs can
// only make a pass slower.
func bestRate(threads, part int, share func(t int)) (best float64) {
	for range 6 {
		start := time.Now()
		var done sync.WaitGroup
		for t := range threads {
			done.Go(func() { share(t) })
		}
		done.Wait()
		best = max(best, float64(part*threads)/time.Since(start).Seconds())
	}
	return best
}
