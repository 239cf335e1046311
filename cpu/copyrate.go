package cpu

import (
	"time"
)

// CopyRate measures how fast all threads together copy main memory, in bytes a
// second. A copied byte counts twice, once read and once written, as in STREAM
// (McCalpin 1995). The buffers are far larger than any cache; the best of several
// passes counts, because anything else that runs can only make a pass slower.
func (b *Backend) CopyRate() float64 {
	const (
		size   = 128 << 20 // bytes of source, and of destination
		part   = 1 << 20
		passes = 6 // the first touches the pages
	)
	src, dst := make([]byte, size), make([]byte, size)
	for i := 0; i < size; i += 4096 { // pages of zeros share one page of memory
		src[i] = byte(i >> 12)
	}
	var j job
	best := 0.0
	for pass := range passes {
		start := time.Now()
		b.pool.run(&j, size/part, func(_, i int) { copy(dst[i*part:][:part], src[i*part:][:part]) })
		if rate := 2 * size / time.Since(start).Seconds(); pass > 0 {
			best = max(best, rate)
		}
	}
	return best
}

// IsRef reports whether the backend is the reference.
func (b *Backend) IsRef() bool { return b.kernels == &refKernels }
