package safemath

import (
	"math"
	"math/bits"
)

// Mul returns the product of sizes. It is not ok, and 0, if one of them is negative
// or the product does not fit in an int64. The order does not matter: anything
// times 0 is 0.
func Mul(sizes ...int64) (product int64, ok bool) {
	p, overflow, zero := uint64(1), false, false
	for _, n := range sizes {
		if n < 0 {
			return 0, false
		}
		zero = zero || n == 0
		high, low := bits.Mul64(p, uint64(n))
		overflow = overflow || high != 0 || low > math.MaxInt64
		p = low
	}
	if zero || overflow {
		return 0, zero
	}
	return int64(p), true
}

// Add returns the sum of sizes. It is not ok, and 0, if one of them is negative or
// the sum does not fit in an int64.
func Add(sizes ...int64) (sum int64, ok bool) {
	for _, n := range sizes {
		if n < 0 || sum > math.MaxInt64-n {
			return 0, false
		}
		sum += n
	}
	return sum, true
}
