package host

import (
	"fmt"
	"math"
	"math/bits"
	"unsafe"

	"eclat/model"
)

// addressable is the most bytes that one array may have: what 64-bit processors
// address for a program.
const addressable = 1 << 47

// Make allocates rows × cols elements for what, zeroed. Where they cannot be had the
// error wraps model.ErrNoMemory; Go's own allocation would end the process.
func Make[T any](rows, cols int64, what string) ([]T, error) {
	var elem T
	n := product(product(rows, cols), int64(unsafe.Sizeof(elem)))
	if n >= addressable {
		return nil, fmt.Errorf("%w: %s of %d × %d elements", model.ErrNoMemory, what, rows, cols)
	}
	if n > 1<<24 { // too little to ask the system for
		if have := AvailableMemory(); have > 0 && n > have {
			return nil, fmt.Errorf("%w: %s takes %d MiB, %d MiB are available", model.ErrNoMemory, what, mib(n), have>>20)
		}
	}
	return make([]T, rows*cols), nil
}

// product multiplies two counts; a negative one or a product out of range is the
// largest number, which nothing has room for.
func product(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if a < 0 || b < 0 || hi > 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

// sum adds two counts, within range.
func sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// mib is a number of bytes in MiB, rounded up.
func mib(n int64) int64 { return n>>20 + min(1, n&(1<<20-1)) }
