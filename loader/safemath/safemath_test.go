package safemath_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"eclat/loader/safemath"
)

// TestAgainstBig compares sums and products of sizes near the limits, zeros and
// negative ones among them, with those of unlimited integers.
func TestAgainstBig(t *testing.T) {
	edges := []int64{0, 1, 2, 3, -1, math.MinInt64, math.MaxInt64, math.MaxInt64 - 1, 1 << 31, 1 << 32, 1<<32 - 1, 1 << 62, 3037000499, 3037000500}
	rng := rand.New(rand.NewPCG(1, 1))
	limit := big.NewInt(math.MaxInt64)
	good := 0
	for range 20000 {
		var sizes []int64
		product, sum, negative := big.NewInt(1), big.NewInt(0), false
		for range rng.IntN(5) {
			n := edges[rng.IntN(len(edges))]
			if rng.IntN(2) == 0 {
				n = rng.Int64() >> rng.IntN(63)
			}
			sizes = append(sizes, n)
			product.Mul(product, big.NewInt(n))
			sum.Add(sum, big.NewInt(n))
			negative = negative || n < 0
		}
		check := func(what string, got int64, ok bool, want *big.Int) {
			fits := !negative && want.Cmp(limit) <= 0
			if ok != fits || ok && got != want.Int64() || !ok && got != 0 {
				t.Errorf("%s of %v: %d, %v; want %v", what, sizes, got, ok, want)
			}
			if ok {
				good++
			}
		}
		got, ok := safemath.Mul(sizes...)
		check("product", got, ok, product)
		got, ok = safemath.Add(sizes...)
		check("sum", got, ok, sum)
	}
	if good < 1000 {
		t.Errorf("only %d of the cases have an answer", good)
	}
}
