package engine

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestCheckAddresses(t *testing.T) {
	for limit, fits := range map[int64]bool{0: false, 1 << 20: false, leastAddresses - 1: false, leastAddresses: true, math.MaxInt64: true} {
		err := checkAddresses(limit)
		if (err == nil) != fits || err != nil && (!errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "MiB")) {
			t.Errorf("%d bytes: %v", limit, err)
		}
	}
}
