//go:build !linux && !darwin

package bench

// freeDisk cannot tell on this system.
func freeDisk(string) (int64, bool) { return 0, false }
