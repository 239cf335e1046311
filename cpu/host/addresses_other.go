//go:build !linux

package host

import "math"

// AddressLimit returns the largest number: no such limit is known of here.
func AddressLimit() int64 { return math.MaxInt64 }
